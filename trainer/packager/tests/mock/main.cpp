// Calls the sketch as Arduino's core does, three rounds of it.
#include "Adafruit_GFX.h"
#include "Arduino.h"

extern "C" {
#include "board.h"
}

void setup();
void loop();

static int code;

void delay(unsigned long) {}

void Adafruit_GFX::print(const char *) { code = 3; }

void Adafruit_GFX::drawRGBBitmap(int16_t x, int16_t y, uint16_t *pixels, int16_t width, int16_t height) {
  if (x < 0 || y < 0 || x + width > width_ || y + height > height_) {
    code = 4;
  }
  const int16_t where[2] = {x, y};
  board_write(where, sizeof where);
  board_write(pixels, 2u * width * height);
}

// Constructors of global variables, which the start-up code of the example does not call.
typedef void (*constructor)();
extern "C" constructor constructors_start[], constructors_end[];

int main() {
  for (constructor *one = constructors_start; one < constructors_end; one++) {
    (*one)();
  }
  setup();
  for (int i = 0; i < 3; i++) {
    loop();
  }
  return code;
}
