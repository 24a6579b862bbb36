// Draws picture 42 of a model and writes it as a PPM file (a PGM file if it is grey).
#include "board.h"
#include "ribbit_model.h"
#include "ribbit.h"

static RibbitModel frog;
static int8_t workspace[RIBBIT_MODEL_WORKSPACE_LEN]; // the only buffer

static int write_text(const char *text) {
    size_t len = 0;
    while (text[len] != 0) {
        len++;
    }
    return board_write(text, len);
}

static int write_number(size_t number) {
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return board_write(text + at, sizeof text - at);
}

static RibbitStatus draw(uint32_t number) {
    RibbitStatus status = ribbit_start(&frog, workspace, sizeof workspace, number, 0);
    if (status != RIBBIT_STATUS_OK) {
        return status;
    }
    write_text(ribbit_channels(&frog) == 3 ? "P6 " : "P5 ");
    write_number(ribbit_width(&frog));
    write_text(" ");
    write_number(ribbit_height(&frog));
    write_text(" 255\n");

    const uint8_t *row;
    size_t bytes;
    while ((bytes = ribbit_next_row(&frog, &row)) != 0) {
        board_write(row, bytes); // or a row of a display
    }
    return RIBBIT_STATUS_OK;
}

int main(void) {
    RibbitStatus status = ribbit_model_parse(&frog, ribbit_model_bytes, RIBBIT_MODEL_LEN);
    if (status == RIBBIT_STATUS_OK) {
        status = draw(42);
    }
    if (status != RIBBIT_STATUS_OK) {
        write_text(ribbit_status_text(status));
        write_text("\n");
        return 1;
    }
    return 0;
}
