/* SPDX-License-Identifier: MIT */
/*
 * Protocol buffers, by hand. In: numbers, texts. Out: fields as they stand on the wire; and back. Always
 * true: nothing is allocated, nothing is read beyond the end.
 *
 * Why our own: the wire has four forms in use, which are a page of code. The library wants generated code and
 * a tree of objects in memory for each record, and would be one more thing to keep up to date on a device.
 *
 *     field    = tag, content           tag = varint of number * 8 + form
 *     form 0   varint: 7 bits a byte, the lowest first, the top bit says that more follow
 *     form 1   8 bytes, the lowest first         form 5   4 bytes, likewise
 *     form 2   varint of a length, and so many bytes: a string, bytes, or a message, which is fields again
 *
 * A length that is known only when its message has ended is written in four bytes, however small it is: 5 as
 * 85 80 80 00. Decoders take that, since a varint's value does not depend on zeros at its top.
 */
#include "agent/ship/protobuf.h"

#include <string.h>

#include "common/utf8.h"

#define VARINT_MAX 10u

size_t lb_protobuf_varint_len(uint64_t number)
{
    size_t len = 1;

    while (number >>= 7)
        len++;
    return len;
}

char *lb_protobuf_varint(char *to, uint64_t number)
{
    while (number >= 0x80) {
        *to++ = (char)(number | 0x80);
        number >>= 7;
    }
    *to++ = (char)number;
    return to;
}

static char *put_tag(char *to, unsigned field, enum lb_protobuf_form form)
{
    return lb_protobuf_varint(to, (uint64_t)field << 3 | form);
}

char *lb_protobuf_number(char *to, unsigned field, uint64_t number)
{
    return lb_protobuf_varint(put_tag(to, field, LB_PROTOBUF_VARINT), number);
}

char *lb_protobuf_fixed64(char *to, unsigned field, uint64_t number)
{
    to = put_tag(to, field, LB_PROTOBUF_FIXED64);
    for (unsigned shift = 0; shift < 64; shift += 8)
        *to++ = (char)(number >> shift);
    return to;
}

char *lb_protobuf_head(char *to, unsigned field, size_t len)
{
    return lb_protobuf_varint(put_tag(to, field, LB_PROTOBUF_BYTES), len);
}

char *lb_protobuf_bytes(char *to, unsigned field, const void *bytes, size_t len)
{
    to = lb_protobuf_head(to, field, len);
    memcpy(to, bytes, len);
    return to + len;
}

char *lb_protobuf_text(char *to, unsigned field, const char *text, size_t len)
{
    return lb_utf8_clean(lb_protobuf_head(to, field, lb_utf8_clean_len(text, len)), text, len);
}

char *lb_protobuf_open(char *to, unsigned field, char **ret_mark)
{
    to = put_tag(to, field, LB_PROTOBUF_BYTES);
    *ret_mark = to;
    return to + LB_PROTOBUF_LENGTH;
}

void lb_protobuf_close(char *mark, const char *to)
{
    size_t len = (size_t)(to - mark) - LB_PROTOBUF_LENGTH;

    for (unsigned i = 0; i < LB_PROTOBUF_LENGTH; i++)
        mark[i] = (char)((len >> 7 * i & 0x7f) | (i + 1 < LB_PROTOBUF_LENGTH ? 0x80 : 0));
}

size_t lb_protobuf_closed_len(const char *mark)
{
    size_t len = 0;

    for (unsigned i = 0; i < LB_PROTOBUF_LENGTH; i++)
        len |= (size_t)(mark[i] & 0x7f) << 7 * i;
    return len;
}

static bool read_varint(struct lb_protobuf_reader *reader, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < VARINT_MAX && reader->at < reader->end; i++) {
        unsigned char byte = (unsigned char)*reader->at++;

        if (i == VARINT_MAX - 1 && byte > 1)
            return false; /* bit 64 and up */
        number |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct lb_protobuf_reader *reader, size_t len, uint64_t *ret_number)
{
    uint64_t number = 0;

    if ((size_t)(reader->end - reader->at) < len)
        return false;
    for (size_t i = 0; i < len; i++)
        number |= (uint64_t)(unsigned char)*reader->at++ << 8 * i;
    *ret_number = number;
    return true;
}

static bool read_bytes(struct lb_protobuf_reader *reader, struct lb_protobuf_field *field)
{
    uint64_t len;

    if (!read_varint(reader, &len))
        return false;
    if (len > (size_t)(reader->end - reader->at)) {
        len = (size_t)(reader->end - reader->at);
        reader->is_broken = true;
    }
    field->bytes = reader->at;
    field->len = (size_t)len;
    reader->at += len;
    return true;
}

static bool read_content(struct lb_protobuf_reader *reader, struct lb_protobuf_field *field)
{
    switch (field->form) {
    case LB_PROTOBUF_VARINT:
        return read_varint(reader, &field->value);
    case LB_PROTOBUF_FIXED64:
        return read_fixed(reader, 8, &field->value);
    case LB_PROTOBUF_FIXED32:
        return read_fixed(reader, 4, &field->value);
    case LB_PROTOBUF_BYTES:
        return read_bytes(reader, field);
    }
    return false;
}

bool lb_protobuf_next(struct lb_protobuf_reader *reader, struct lb_protobuf_field *ret_field)
{
    struct lb_protobuf_field field = { 0 };
    uint64_t tag;

    if (reader->is_broken || reader->at == reader->end)
        return false;
    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) {
        reader->is_broken = true;
        return false;
    }
    field.number = (unsigned)(tag >> 3);
    field.form = (enum lb_protobuf_form)(tag & 7);
    if (!read_content(reader, &field)) {
        reader->is_broken = true;
        return false;
    }
    *ret_field = field;
    return true;
}
