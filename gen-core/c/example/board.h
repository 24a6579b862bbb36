// What the example needs from the machine that it runs on.
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>

// Writes bytes to standard output. Returns 0 if that worked.
int board_write(const void *bytes, size_t count);

#endif
