#!/bin/sh
# Stands for the C compiler of another system where Rust code is only checked. It says that it is GCC, as the crate cc
# asks, and writes empty object files.
while [ $# -gt 0 ]; do
    case $1 in
    '-?') exit 1 ;; # this option of other compilers is not known
    -E) echo '"gcc"' ;;
    -o) : >"$2" && shift ;;
    esac
    shift
done
