/* SPDX-License-Identifier: MIT */
/*
 * One INI file. In: its bytes. Out: a call for each section line, each key and
 * each fault, in the order of the lines and with their numbers.
 *
 * Debian's inih is built for short lines of its own taste: it cuts a line at
 * 199 bytes and a section at 49, takes `:` for `=`, drops what follows ` ;`,
 * joins lines that start with a blank, and tells no line number; all of it
 * silently. So it never sees the file. It sees this, written on demand:
 *
 *     url = http://h/?a=b ; c        [12]              the line's number
 *                                    k=75726c          key, in hex
 *                                    v=687474703a2f... value, in hex, 64 bytes a piece
 *                                    v=...
 *                                    e=                the line is whole: tell the caller
 *
 * Hex holds no byte that inih knows, and no piece reaches its bounds, so what
 * its handler gets is what was written, and the rules of ini_read.h hold
 * whatever inih was built with.
 *
 * Always true: a line is told once, whole, or named as a fault; memory is fixed.
 */
#include "common/ini_read.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h" /* LB_VALUE_MAX */

#define PIECE_BYTES    64
#define PIECE_LINE_MAX (2 * PIECE_BYTES + 8) /* "v=", hex, LF, NUL */

_Static_assert(LB_INI_SECTION_MAX >= LB_INI_KEY_MAX, "one buffer holds either name");

enum step { STEP_NUMBER = 0, STEP_NAME, STEP_VALUE, STEP_END };

struct span {
    const char *at;
    size_t len;
};

struct reader {
    /* the file */
    struct span rest;
    int line;
    bool is_in_doubt;
    /* the line that is being handed to inih */
    enum step step;
    char name_mark; /* 's' section line, 'k' key */
    struct span name;
    struct span value;
    /* what came back from inih of this line, and the section that it stands in */
    char heard_name[LB_INI_SECTION_MAX + 1];
    size_t heard_name_len;
    char heard_value[LB_VALUE_MAX + 1];
    size_t heard_value_len;
    char section[LB_INI_SECTION_MAX + 1];
    /* the caller */
    lb_ini_handler handler;
    lb_ini_fault fault;
    void *arg;
    bool is_stopped;
    int rc;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct span trimmed(struct span span)
{
    while (span.len > 0 && is_blank(span.at[0]))
        span.at++, span.len--;
    while (span.len > 0 && is_blank(span.at[span.len - 1]))
        span.len--;
    return span;
}

static struct span next_line(struct reader *reader)
{
    struct span line = reader->rest;
    const char *end = memchr(line.at, '\n', line.len);

    if (end)
        line.len = (size_t)(end - line.at);
    reader->rest.at += line.len + (end ? 1 : 0);
    reader->rest.len -= line.len + (end ? 1 : 0);
    if (reader->line < INT_MAX)
        reader->line++;
    return line;
}

/* What is wrong with a section line, or NULL: then the reader holds its name. */
static const char *split_section(struct reader *reader, struct span line)
{
    const char *close = memchr(line.at, ']', line.len);

    if (!close)
        return "the section line has no ]";
    if (close + 1 != line.at + line.len)
        return "text after the ] of a section (a comment needs a line of its own)";
    reader->name_mark = 's';
    reader->name = trimmed((struct span) { line.at + 1, line.len - 2 });
    reader->value = (struct span) { "", 0 };
    if (reader->name.len == 0)
        return "a section without a name";
    return reader->name.len > LB_INI_SECTION_MAX ? "the section's name is too long" : NULL;
}

/* What is wrong with a line of key and value, or NULL: then the reader holds both. */
static const char *split_key(struct reader *reader, struct span line)
{
    const char *equals = memchr(line.at, '=', line.len);

    if (!equals)
        return "neither a [section], nor key = value, nor a comment";
    reader->name_mark = 'k';
    reader->name = trimmed((struct span) { line.at, (size_t)(equals - line.at) });
    reader->value = trimmed((struct span) { equals + 1, (size_t)(line.at + line.len - equals - 1) });
    if (reader->name.len == 0)
        return "no key before the =";
    if (reader->name.len > LB_INI_KEY_MAX)
        return "the key is too long";
    return reader->value.len > LB_VALUE_MAX ? "the value is longer than 4096 bytes" : NULL;
}
_Static_assert(LB_VALUE_MAX == 4096, "the text above says the bound");

/* Walk to the next line that says something; faults are told on the way. False at the end of the file. */
static bool find_line(struct reader *reader)
{
    while (reader->rest.len > 0) {
        struct span line = next_line(reader);
        bool has_nul = memchr(line.at, '\0', line.len) != NULL;
        struct span words = trimmed(line);
        const char *wrong;

        if (!has_nul && (words.len == 0 || line.at[0] == '#' || line.at[0] == ';'))
            continue;
        if (has_nul)
            wrong = "a NUL byte";
        else if (is_blank(line.at[0]))
            wrong = "the line starts with a blank (lines are not continued)";
        else if (line.at[0] == '[')
            wrong = split_section(reader, words);
        else
            wrong = split_key(reader, words);
        if (line.at[0] == '[')
            reader->is_in_doubt = wrong != NULL;
        if (!wrong)
            return true;
        reader->fault(reader->arg, reader->line, wrong);
    }
    return false;
}

/* Write the next piece of what is left of span as one line for inih, and shorten span by it. */
static void print_piece(char *out, char mark, struct span *span)
{
    static const char digits[] = "0123456789abcdef";
    size_t take = span->len < PIECE_BYTES ? span->len : PIECE_BYTES;

    *out++ = mark;
    *out++ = '=';
    for (size_t i = 0; i < take; i++) {
        *out++ = digits[(unsigned char)span->at[i] >> 4];
        *out++ = digits[(unsigned char)span->at[i] & 15];
    }
    *out++ = '\n';
    *out = '\0';
    span->at += take;
    span->len -= take;
}

/* inih asks for its next line here, as it would ask fgets(). */
static char *give_line(char *out, int size, void *stream)
{
    struct reader *reader = stream;

    if (reader->is_stopped)
        return NULL;
    if (size < PIECE_LINE_MAX) {
        reader->rc = -EIO; /* an inih built for shorter lines than any known one */
        return NULL;
    }
    if (reader->step == STEP_NUMBER && !find_line(reader))
        return NULL;
    switch (reader->step) {
    case STEP_NUMBER:
        snprintf(out, (size_t)size, "[%d]\n", reader->line);
        reader->step = STEP_NAME;
        break;
    case STEP_NAME:
        print_piece(out, reader->name_mark, &reader->name);
        if (reader->name.len == 0)
            reader->step = reader->value.len > 0 ? STEP_VALUE : STEP_END;
        break;
    case STEP_VALUE:
        print_piece(out, 'v', &reader->value);
        if (reader->value.len == 0)
            reader->step = STEP_END;
        break;
    case STEP_END:
        snprintf(out, (size_t)size, "e=\n");
        reader->step = STEP_NUMBER;
        break;
    }
    return out;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Append a piece to a text of at most size - 1 bytes. False when it is not hex or does not fit. */
static bool append_piece(const char *hex, char *text, size_t *len, size_t size)
{
    for (; hex[0] != '\0'; hex += 2) {
        int high = hex_digit(hex[0]);
        int low = high < 0 ? -1 : hex_digit(hex[1]);

        if (low < 0 || *len + 1 >= size)
            return false;
        text[(*len)++] = (char)(high << 4 | low);
    }
    text[*len] = '\0';
    return true;
}

/* inih has given back the whole line: hand it to the caller. */
static void tell_line(struct reader *reader)
{
    bool is_key = reader->name_mark == 'k';
    struct lb_ini_line line = {
        .section = reader->section,
        .key = is_key ? reader->heard_name : NULL,
        .value = is_key ? reader->heard_value : NULL,
        .line = reader->line,
        .is_in_doubt = reader->is_in_doubt,
    };

    if (!is_key)
        memcpy(reader->section, reader->heard_name, reader->heard_name_len + 1);
    reader->rc = reader->handler(reader->arg, &line);
    reader->is_stopped = reader->rc != 0;
    reader->heard_name_len = reader->heard_value_len = 0;
    reader->heard_value[0] = '\0';
}

/* inih gives each piece back here. False makes it report an error, which lb_ini_read() sees. */
static int take_piece(void *user, const char *number, const char *mark, const char *hex)
{
    struct reader *reader = user;

    if (reader->is_stopped)
        return true;
    if (strtol(number, NULL, 10) != reader->line || strlen(mark) != 1)
        return false;
    if (mark[0] == reader->name_mark)
        return append_piece(hex, reader->heard_name, &reader->heard_name_len, sizeof reader->heard_name);
    if (mark[0] == 'v')
        return append_piece(hex, reader->heard_value, &reader->heard_value_len, sizeof reader->heard_value);
    if (mark[0] != 'e')
        return false;
    tell_line(reader);
    return true;
}

int lb_ini_read(const char *text, size_t len, lb_ini_handler handler, lb_ini_fault fault, void *arg)
{
    static const char byte_order_mark[] = { '\xef', '\xbb', '\xbf' };
    struct reader reader = {
        .rest = { text, len },
        .handler = handler,
        .fault = fault,
        .arg = arg,
    };
    int misread;

    if (len >= sizeof byte_order_mark && memcmp(text, byte_order_mark, sizeof byte_order_mark) == 0) {
        reader.rest.at += sizeof byte_order_mark;
        reader.rest.len -= sizeof byte_order_mark;
    }
    misread = ini_parse_stream(give_line, &reader, take_piece, &reader);
    if (reader.rc != 0)
        return reader.rc;
    if (misread == -2)
        return -ENOMEM;
    return misread != 0 ? -EIO : 0;
}
