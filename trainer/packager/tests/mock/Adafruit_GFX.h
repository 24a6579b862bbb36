// The functions of a display that the sketch calls. They write what arrives to standard output.
#pragma once

#include <stdint.h>

class Adafruit_GFX {
public:
  Adafruit_GFX(int16_t width, int16_t height) : width_(width), height_(height) {}
  void setCursor(int16_t, int16_t) {}
  void print(const char *text);
  void fillScreen(uint16_t) {}
  // The position and the pixels, if they are on the display.
  void drawRGBBitmap(int16_t x, int16_t y, uint16_t *pixels, int16_t width, int16_t height);

protected:
  int16_t width_, height_;
};
