// The model of the example, from model.S.
#ifndef RIBBIT_MODEL_H
#define RIBBIT_MODEL_H

#include <stdint.h>

extern const uint8_t ribbit_model_bytes[];
extern const uint8_t ribbit_model_end[];
#define RIBBIT_MODEL_LEN ((size_t)(ribbit_model_end - ribbit_model_bytes))

// At least ribbit_workspace_len, for every processor; ribbit_start compares them.
#define RIBBIT_MODEL_WORKSPACE_LEN 16384

#endif
