// Draws the pictures of a few numbers, and writes only their bytes: for each number every class, a mixture, and a picture
// between two. The test compares them with those of gen-core on the host.
#include "board.h"
#include "ribbit_model.h"
#include "ribbit.h"

static RibbitModel model;
static int8_t workspace[RIBBIT_MODEL_WORKSPACE_LEN];

static int rows(RibbitStatus status) {
    const uint8_t *row;
    size_t bytes, count = 0;
    if (status != RIBBIT_STATUS_OK) {
        return (int)status;
    }
    while ((bytes = ribbit_next_row(&model, &row)) != 0) {
        if (bytes != ribbit_width(&model) * ribbit_channels(&model) || board_write(row, bytes) != 0) {
            return 101;
        }
        count++;
    }
    // Another call adds no row.
    return count == ribbit_height(&model) && ribbit_next_row(&model, &row) == 0 && row == NULL ? 0 : 102;
}

int main(void) {
    static const uint32_t numbers[] = {0, 42, 4294967295u};
    RibbitStatus status = ribbit_model_parse(&model, ribbit_model_bytes, RIBBIT_MODEL_LEN);
    if (status != RIBBIT_STATUS_OK) {
        return (int)status;
    }
    // Not the largest number of bytes, and not an aligned address.
    int8_t *const place = workspace + 1;
    const size_t len = ribbit_workspace_len(&model);
    if (len > sizeof workspace - 1) {
        return 103;
    }
    const size_t classes = ribbit_class_count(&model);
    const uint8_t last = (uint8_t)(classes == 0 ? 0 : classes - 1);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        for (unsigned number = 0; number <= last; number++) {
            int code = rows(ribbit_start(&model, place, len, numbers[i], (uint8_t)number));
            if (code != 0) {
                return code;
            }
        }
        int code = rows(ribbit_start_mix(&model, place, len, numbers[i], 0, last, 100));
        if (code == 0) {
            code = rows(ribbit_start_between(&model, place, len, numbers[i], 0, 7, last, 77));
        }
        if (code != 0) {
            return code;
        }
        // A picture that is not finished, in another place.
        const uint8_t *row;
        status = ribbit_start(&model, workspace, sizeof workspace, 1, 0);
        if (status != RIBBIT_STATUS_OK || ribbit_next_row(&model, &row) == 0) {
            return 104;
        }
    }
    return 0;
}
