// As much of Arduino's core as the sketch uses.
#pragma once

#include <stddef.h>
#include <stdint.h>

void delay(unsigned long milliseconds);
