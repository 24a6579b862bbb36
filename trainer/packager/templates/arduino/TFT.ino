// Draws one picture after the other on a TFT display with an ST7789, as large as it fits.
#include <Adafruit_GFX.h>
#include <Adafruit_ST7789.h>
#include <SPI.h>
#include <ribbit.h>
#include <ribbit_model.h>

// The pins of your display.
const int PIN_CS = 10, PIN_DC = 9, PIN_RESET = 8;
const int SCREEN_WIDTH = 240, SCREEN_HEIGHT = 240;

Adafruit_ST7789 tft(PIN_CS, PIN_DC, PIN_RESET);

RibbitModel model;
int8_t workspace[RIBBIT_MODEL_WORKSPACE_LEN];
uint16_t line[SCREEN_WIDTH];
uint32_t number = 0;

// Shows what is wrong, and stops.
void fail(RibbitStatus status) {
  tft.setCursor(0, 0);
  tft.print(ribbit_status_text(status));
  for (;;) {
    delay(1000);
  }
}

// A pixel with 16 bits: 5 of red, 6 of green, 5 of blue.
uint16_t colour(const uint8_t *pixel) {
  const uint8_t red = pixel[0];
  const uint8_t green = RIBBIT_MODEL_CHANNELS == 1 ? red : pixel[1];
  const uint8_t blue = RIBBIT_MODEL_CHANNELS == 1 ? red : pixel[2];
  return ((red & 0xF8) << 8) | ((green & 0xFC) << 3) | (blue >> 3);
}

void draw(uint32_t picture, uint8_t class_number) {
  const int scale_x = SCREEN_WIDTH / RIBBIT_MODEL_WIDTH, scale_y = SCREEN_HEIGHT / RIBBIT_MODEL_HEIGHT;
  const int scale = scale_x < scale_y ? scale_x : scale_y;
  const int width = RIBBIT_MODEL_WIDTH * scale, height = RIBBIT_MODEL_HEIGHT * scale;
  const int left = (SCREEN_WIDTH - width) / 2;
  int top = (SCREEN_HEIGHT - height) / 2;

  RibbitStatus status = ribbit_start(&model, workspace, sizeof workspace, picture, class_number);
  if (status != RIBBIT_STATUS_OK) {
    fail(status);
  }
  const uint8_t *row;
  while (ribbit_next_row(&model, &row) != 0) {
    for (int x = 0; x < width; x++) {
      line[x] = colour(row + x / scale * RIBBIT_MODEL_CHANNELS);
    }
    for (int i = 0; i < scale; i++) {
      tft.drawRGBBitmap(left, top++, line, width, 1);
    }
  }
}

void setup() {
  tft.init(SCREEN_WIDTH, SCREEN_HEIGHT);
  tft.fillScreen(0);
  RibbitStatus status = ribbit_model_parse(&model, ribbit_model_bytes, RIBBIT_MODEL_LEN);
  if (status != RIBBIT_STATUS_OK) {
    fail(status);
  }
}

void loop() {
  // A model with classes draws them one after the other.
  const size_t classes = ribbit_class_count(&model);
  draw(number, classes == 0 ? 0 : number % classes);
  number++;
  delay(2000);
}
