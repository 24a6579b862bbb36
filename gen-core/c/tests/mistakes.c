// Every mistake that the functions check gives a status, and the sentence for it. Returns the line of the first failure.
#include "board.h"
#include "ribbit_model.h"
#include "ribbit.h"

// A program without C's library has these functions too: the compiler requires them.
#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
size_t strlen(const char *text);
#endif

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            return __LINE__;                                                                                           \
        }                                                                                                              \
    } while (0)

static RibbitModel model;
static union {
    uint32_t aligned;
    uint8_t bytes[262144];
} copy;
static int8_t workspace[RIBBIT_MODEL_WORKSPACE_LEN];

static int check(void) {
    static const uint8_t nothing[1];
    const uint8_t *row = nothing;
    char name[RIBBIT_CLASS_NAME_SIZE];
    const size_t len = RIBBIT_MODEL_LEN;
    CHECK(len < sizeof copy.bytes - 4);
    memcpy(copy.bytes, ribbit_model_bytes, len);

    // Without a model.
    memset(&model, 0xa5, sizeof model);
    CHECK(ribbit_workspace_len(&model) == 0 && ribbit_workspace_len(NULL) == 0);
    CHECK(ribbit_width(&model) == 0 && ribbit_height(NULL) == 0 && ribbit_channels(&model) == 0);
    CHECK(ribbit_class_count(&model) == 0 && ribbit_class_name(&model, 0, name, sizeof name) == 0 && name[0] == 0);
    CHECK(ribbit_find_class(&model, "a") == -1 && ribbit_find_class(NULL, "a") == -1);
    CHECK(ribbit_start(&model, workspace, sizeof workspace, 1, 0) == RIBBIT_STATUS_NO_MODEL);
    CHECK(ribbit_next_row(&model, &row) == 0 && ribbit_next_row(NULL, &row) == 0);

    // What is no model.
    CHECK(ribbit_model_parse(NULL, copy.bytes, len) == RIBBIT_STATUS_NULL);
    CHECK(ribbit_model_parse(&model, NULL, len) == RIBBIT_STATUS_NULL);
    CHECK(ribbit_model_parse((RibbitModel *)((char *)&model + 1), copy.bytes, len) == RIBBIT_STATUS_NO_MODEL);
    CHECK(ribbit_model_parse(&model, copy.bytes, 0) == RIBBIT_STATUS_NOT_A_MODEL);
    CHECK(ribbit_model_parse(&model, copy.bytes, len - 1) == RIBBIT_STATUS_LENGTH);
    CHECK(ribbit_model_parse(&model, copy.bytes, SIZE_MAX) == RIBBIT_STATUS_LENGTH);
    CHECK(ribbit_model_parse(&model, (uint8_t *)&model, sizeof model) == RIBBIT_STATUS_WORKSPACE);
    copy.bytes[4] ^= 0x80;
    CHECK(ribbit_model_parse(&model, copy.bytes, len) == RIBBIT_STATUS_VERSION);
    copy.bytes[4] ^= 0x80;
    copy.bytes[len - 1]++;
    CHECK(ribbit_model_parse(&model, copy.bytes, len) == RIBBIT_STATUS_CHECKSUM);
    copy.bytes[len - 1]--;
    memmove(copy.bytes + 1, copy.bytes, len);
    CHECK(ribbit_model_parse(&model, copy.bytes + 1, len) == RIBBIT_STATUS_ALIGNMENT);
    memmove(copy.bytes, copy.bytes + 1, len);

    // A model, and a wrong workspace or class.
    CHECK(ribbit_model_parse(&model, copy.bytes, len) == RIBBIT_STATUS_OK);
    CHECK(ribbit_next_row(&model, &row) == 0 && row == nothing);
    const size_t needed = ribbit_workspace_len(&model);
    CHECK(needed > 0 && needed <= sizeof workspace);
    CHECK(ribbit_start(NULL, workspace, needed, 1, 0) == RIBBIT_STATUS_NULL);
    CHECK(ribbit_start(&model, NULL, needed, 1, 0) == RIBBIT_STATUS_NULL);
    CHECK(ribbit_start(&model, workspace, needed - 1, 1, 0) == RIBBIT_STATUS_WORKSPACE);
    CHECK(ribbit_start(&model, (int8_t *)&model, needed, 1, 0) == RIBBIT_STATUS_WORKSPACE);
    CHECK(ribbit_start(&model, (int8_t *)copy.bytes + len - 1, needed, 1, 0) == RIBBIT_STATUS_WORKSPACE);
    CHECK(ribbit_start(&model, (int8_t *)UINTPTR_MAX, needed, 1, 0) == RIBBIT_STATUS_WORKSPACE);
    const size_t classes = ribbit_class_count(&model);
    const uint8_t none = (uint8_t)(classes == 0 ? 1 : classes);
    CHECK(ribbit_start(&model, workspace, needed, 1, none) == RIBBIT_STATUS_NO_SUCH_CLASS);
    CHECK(ribbit_start_mix(&model, workspace, needed, 1, 0, none, 0) == RIBBIT_STATUS_NO_SUCH_CLASS);
    CHECK(ribbit_start_between(&model, workspace, needed, 1, none, 2, 0, 0) == RIBBIT_STATUS_NO_SUCH_CLASS);

    // Names of classes.
    for (size_t i = 0; i < classes; i++) {
        const size_t name_len = ribbit_class_name(&model, (uint8_t)i, name, sizeof name);
        CHECK(name_len > 0 && strlen(name) == name_len && ribbit_find_class(&model, name) == (int32_t)i);
        CHECK(ribbit_class_name(&model, (uint8_t)i, name, 1) == 0 && name[0] == 0);
        CHECK(ribbit_class_name(&model, (uint8_t)i, name, 0) == 0);
        CHECK(ribbit_class_name(&model, (uint8_t)i, NULL, 9) == 0);
    }
    CHECK(ribbit_class_name(&model, 255, name, sizeof name) == 0 && name[0] == 0);
    CHECK(ribbit_find_class(&model, NULL) == -1 && ribbit_find_class(&model, "\xff") == -1);
    CHECK(ribbit_find_class(&model, "a name that is longer than the sixty-four bytes that the longest one has") == -1);

    // A failed start leaves the picture that was begun.
    CHECK(ribbit_start(&model, workspace, needed, 1, 0) == RIBBIT_STATUS_OK);
    CHECK(ribbit_start(&model, workspace, needed - 1, 2, 0) == RIBBIT_STATUS_WORKSPACE);
    CHECK(ribbit_next_row(&model, NULL) == 0 && ribbit_next_row(&model, &row) > 0 && row != NULL);
    // A failed parse leaves no model.
    CHECK(ribbit_model_parse(&model, copy.bytes, len - 1) == RIBBIT_STATUS_LENGTH);
    CHECK(ribbit_next_row(&model, &row) == 0 && ribbit_width(&model) == 0);

    // Each status has a sentence of its own, and other numbers have one too.
    const char *const unknown = ribbit_status_text(-1);
    CHECK(strlen(unknown) > 0 && ribbit_status_text(RIBBIT_STATUS_NO_SUCH_CLASS + 1) == unknown);
    for (int32_t status = RIBBIT_STATUS_OK; status <= RIBBIT_STATUS_NO_SUCH_CLASS; status++) {
        CHECK(strlen(ribbit_status_text(status)) > 0 && ribbit_status_text(status) != unknown);
    }
    return 0;
}

int main(void) {
    const int line = check();
    return line == 0 ? 0 : line % 200 + 1;
}
