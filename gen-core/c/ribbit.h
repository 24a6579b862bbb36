// Draws pictures with a quantised image generator: gen-core for C and C++. No allocation, integer arithmetic only, and the
// same bytes on every machine.
//
//     static RibbitModel frog;
//     static int8_t workspace[8192];          // at least ribbit_workspace_len
//     const uint8_t *row;
//     size_t bytes;
//
//     if (ribbit_model_parse(&frog, file, file_len) != RIBBIT_STATUS_OK) ...
//     if (ribbit_start(&frog, workspace, sizeof workspace, 42, 0) != RIBBIT_STATUS_OK) ...
//     while ((bytes = ribbit_next_row(&frog, &row)) != 0) {
//         send(row, bytes);                   // a row of pixels, from top to bottom
//     }
//
// All functions accept null pointers. None may be called for the same model by two threads, or by an interrupt and the
// program, at the same time.
//
// This file is written by a test, from gen-core/c/src: change it there.

#ifndef RIBBIT_H
#define RIBBIT_H

#include <stddef.h>
#include <stdint.h>

// Words of a RibbitModel.
#define RIBBIT_MODEL_WORDS 336

// Bytes that hold the name of any class, with the zero at its end.
#define RIBBIT_CLASS_NAME_SIZE 65

// What a function returns: 0 if it worked, else the reason why not. ribbit_status_text has a sentence for each.
enum RibbitStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It worked.
  RIBBIT_STATUS_OK = 0,
  // A pointer is null.
  RIBBIT_STATUS_NULL = 1,
  // The bytes are not a model: they do not begin with RBGN.
  RIBBIT_STATUS_NOT_A_MODEL = 2,
  // The bytes of the model do not begin at a multiple of 4. Write __attribute__((aligned(4))) before the array.
  RIBBIT_STATUS_ALIGNMENT = 3,
  // The model has a version of the format that this library does not read.
  RIBBIT_STATUS_VERSION = 4,
  // The model is shorter or longer than it says.
  RIBBIT_STATUS_LENGTH = 5,
  // The model is damaged: its checksum does not match.
  RIBBIT_STATUS_CHECKSUM = 6,
  // The model has layers or numbers that are not allowed.
  RIBBIT_STATUS_CONTENTS = 7,
  // The model has weights with Winograd's transform, and the library was built without it.
  RIBBIT_STATUS_WINOGRAD = 8,
  // The struct holds no model: call ribbit_model_parse first. A struct that is not aligned holds none either.
  RIBBIT_STATUS_NO_MODEL = 9,
  // The workspace has fewer than ribbit_workspace_len bytes, or overlaps the model.
  RIBBIT_STATUS_WORKSPACE = 10,
  // The processor does not have the instructions of this library. Take the library for this processor.
  RIBBIT_STATUS_PROCESSOR = 11,
  // The model does not have a class with this number.
  RIBBIT_STATUS_NO_SUCH_CLASS = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum RibbitStatus RibbitStatus;
#else
typedef int32_t RibbitStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A model, and the picture that it is drawing. The caller gives its memory, for example as a static variable. Its contents
// are private, and it needs no clean-up.
//
// ribbit_model_parse fills it. The bytes of the model file and the workspace must stay where they are while it is used.
// One struct draws one picture at a time; two threads must not use it at the same time.
typedef struct RibbitModel {
  size_t opaque[RIBBIT_MODEL_WORDS];
} RibbitModel;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Reads and checks a model file of len bytes. The bytes begin at a multiple of 4, as __attribute__((aligned(4))) makes
// them, and are not copied: they must stay where they are, unchanged, while model is used.
//
// Everything about the model is checked here, so that drawing cannot fail. model may hold another model before; if the
// result is not RIBBIT_STATUS_OK, it holds none after.
RibbitStatus ribbit_model_parse(struct RibbitModel *model,
                                const uint8_t *bytes,
                                size_t len);

// Bytes of workspace that drawing needs: a few rows of each layer. The number depends on the processor. 0 if model holds
// no model.
size_t ribbit_workspace_len(const struct RibbitModel *model);

// Width of the pictures in pixels; 0 if model holds no model.
size_t ribbit_width(const struct RibbitModel *model);

// Height of the pictures in pixels; 0 if model holds no model.
size_t ribbit_height(const struct RibbitModel *model);

// Bytes of a pixel: 1 for its brightness (0 is black), 3 for red, green and blue; 0 if model holds no model.
size_t ribbit_channels(const struct RibbitModel *model);

// Number of classes, 2 to 64; 0 if the model has none, or model holds no model.
size_t ribbit_class_count(const struct RibbitModel *model);

// Writes the name of a class to text, in UTF-8 and with a zero at the end, and returns its length without the zero. A
// name that is longer than size - 1 bytes is cut; RIBBIT_CLASS_NAME_SIZE bytes hold every name. 0, and an empty text,
// if there is no such class.
size_t ribbit_class_name(const struct RibbitModel *model,
                         uint8_t class_number,
                         char *text,
                         size_t size);

// The number of the class with this name, which ends with a zero: the same name, or else the first that differs only in the
// case of its ASCII letters. -1 if there is none.
int32_t ribbit_find_class(const struct RibbitModel *model,
                          const char *name);

// Starts picture number number, which is the same on every machine. class_number is the class to draw, from 0 on; 0 for
// a model without classes. ribbit_next_row then computes its rows.
//
// workspace has len bytes, at least ribbit_workspace_len, at any address, with any contents. It must stay where it is
// until the last row, and nobody else may write to it. A picture need not be finished before the next one is started.
RibbitStatus ribbit_start(struct RibbitModel *model,
                          int8_t *workspace,
                          size_t len,
                          uint32_t number,
                          uint8_t class_number);

// Like ribbit_start, with a mixture of two classes: share is that of the second in 256ths, from 0 to 256.
RibbitStatus ribbit_start_mix(struct RibbitModel *model,
                              int8_t *workspace,
                              size_t len,
                              uint32_t number,
                              uint8_t from_class,
                              uint8_t to_class,
                              uint16_t share);

// Starts a picture between two others: share is that of the second in 256ths. From 0 to 256 the first one changes into
// the second, and its class into the other class.
RibbitStatus ribbit_start_between(struct RibbitModel *model,
                                  int8_t *workspace,
                                  size_t len,
                                  uint32_t from_number,
                                  uint8_t from_class,
                                  uint32_t to_number,
                                  uint8_t to_class,
                                  uint16_t share);

// Computes the next row of the picture, from top to bottom. row receives its address: ribbit_width pixels of
// ribbit_channels bytes, from left to right, which are valid until the next call with this model. Returns the number of
// bytes; 0 after the last row, or if no picture was started.
size_t ribbit_next_row(struct RibbitModel *model,
                       const uint8_t **row);

// A sentence for people that says what a status means, in English and with a zero at its end. Any number may be given.
const char *ribbit_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RIBBIT_H */
