#pragma once

#include "Adafruit_GFX.h"

class Adafruit_ST7789 : public Adafruit_GFX {
public:
  Adafruit_ST7789(int8_t, int8_t, int8_t) : Adafruit_GFX(0, 0) {}
  void init(uint16_t width, uint16_t height) {
    width_ = width;
    height_ = height;
  }
};
