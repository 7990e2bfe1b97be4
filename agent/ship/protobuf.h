/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_PROTOBUF_H
#define LB_SHIP_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Protocol buffers, the wire form: writing into memory that the caller has
 * sized, and reading what may be hostile. Pure functions, any thread.
 */

#define LB_PROTOBUF_TAG_MAX    5u /* bytes of a field's number and form; 1 up to number 15, 2 up to 2047 */
#define LB_PROTOBUF_LENGTH     4u /* bytes of a length that is filled in later … */
#define LB_PROTOBUF_LENGTH_END (1u << 28) /* … and what it must stay below */
#define LB_PROTOBUF_FRAME_MAX  15u        /* bytes that a field takes beside its text, at most */

/*
 * How long a number is as a varint.
 *   returns   1 to 10
 */
size_t lb_protobuf_varint_len(uint64_t number);

/*
 * Write a number as it stands within a field.
 *   to        room for 10 bytes
 *   returns   one past the last byte written, as all that write
 */
char *lb_protobuf_varint(char *to, uint64_t number);

/*
 * Write a field with a number: int32, int64, bool, an enum.
 *   to        room for LB_PROTOBUF_FRAME_MAX
 */
char *lb_protobuf_number(char *to, unsigned field, uint64_t number);

/*
 * Write a fixed64.
 *   to        room for LB_PROTOBUF_FRAME_MAX
 */
char *lb_protobuf_fixed64(char *to, unsigned field, uint64_t number);

/*
 * Write the head of a field of so many bytes, which the caller writes behind it.
 *   to        room for LB_PROTOBUF_FRAME_MAX
 */
char *lb_protobuf_head(char *to, unsigned field, size_t len);

/*
 * Write a field of bytes.
 *   to        room for LB_PROTOBUF_FRAME_MAX and them
 */
char *lb_protobuf_bytes(char *to, unsigned field, const void *bytes, size_t len);

/*
 * Write a string, clean (common/utf8.h): a receiver refuses a whole body for one that is not.
 *   to        room for LB_PROTOBUF_FRAME_MAX and three times the text
 */
char *lb_protobuf_text(char *to, unsigned field, const char *text, size_t len);

/*
 * Begin a message whose length is not known yet: a varint of LB_PROTOBUF_LENGTH
 * bytes is left for it, padded as the format allows.
 *   to        room for LB_PROTOBUF_TAG_MAX + LB_PROTOBUF_LENGTH
 *   ret_mark  where the length belongs
 */
char *lb_protobuf_open(char *to, unsigned field, char **ret_mark);

/*
 * Fill in the length of a message that ends here. May be done again when it ends elsewhere.
 *   mark      of lb_protobuf_open(), less than LB_PROTOBUF_LENGTH_END bytes ago
 */
void lb_protobuf_close(char *mark, const char *to);

/*
 * How long the message at a mark is, by what was filled in.
 */
size_t lb_protobuf_closed_len(const char *mark);

/* Reading: fields one after the other. Messages within are opened by a reader of their own, so depth is the
 * caller's. */
struct lb_protobuf_reader {
    const char *at, *end;
    bool is_broken; /* it ended where it should not have */
};

enum lb_protobuf_form {
    LB_PROTOBUF_VARINT = 0,
    LB_PROTOBUF_FIXED64 = 1,
    LB_PROTOBUF_BYTES = 2,
    LB_PROTOBUF_FIXED32 = 5
};

struct lb_protobuf_field {
    unsigned number;
    enum lb_protobuf_form form;
    uint64_t value;    /* of the forms that are numbers */
    const char *bytes; /* LB_PROTOBUF_BYTES: len bytes in what is read */
    size_t len;
};

/*
 * Read the next field.
 *   returns   false: there is none, or what is there is no field (is_broken): a
 *             varint that is cut or has more than 64 bits, number 0, a form that
 *             is none of these (groups are of the past)
 *
 * Bytes that reach beyond the end are given as far as they are there, and
 * nothing comes after them.
 */
bool lb_protobuf_next(struct lb_protobuf_reader *reader, struct lb_protobuf_field *ret_field);

#endif
