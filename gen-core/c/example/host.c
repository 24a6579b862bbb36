// The example on a computer.
#include "board.h"

#include <stdio.h>

int board_write(const void *bytes, size_t count) {
    return fwrite(bytes, 1, count, stdout) == count ? 0 : 1;
}
