/* SPDX-License-Identifier: MIT */
/* OTLP as text. In: a body. Out: lines. Always true: what is not as the .proto files have it ends the test.
 */
#include "tests/unit/lib_otlp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct span {
    const unsigned char *at, *end;
};

struct field {
    unsigned number, form;
    uint64_t value;
    struct span in;
};

static char text[16 << 20];
static size_t text_len;

static void put(const char *bytes, size_t len)
{
    assert_true(text_len + len < sizeof text);
    memcpy(text + text_len, bytes, len);
    text_len += len;
    text[text_len] = '\0';
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof line);
    put(line, (size_t)len);
}

static uint64_t varint(struct span *span)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        assert_true(span->at < span->end);
        value |= (uint64_t)(*span->at & 127) << shift;
        if (*span->at++ < 128)
            return value;
    }
    fail_msg("a varint without end");
    return 0;
}

static bool next(struct span *span, struct field *field)
{
    uint64_t tag;

    if (span->at == span->end)
        return false;
    tag = varint(span);
    *field = (struct field) { .number = (unsigned)(tag / 8), .form = tag % 8 };
    if (field->form == 0) {
        field->value = varint(span);
    } else if (field->form == 1) {
        assert_true(span->end - span->at >= 8);
        memcpy(&field->value, span->at, 8); /* tests run on little-endian machines */
        span->at += 8;
    } else {
        uint64_t len = varint(span);

        assert_int_equal(field->form, 2);
        assert_true(len <= (size_t)(span->end - span->at));
        field->in = (struct span) { span->at, span->at + len };
        span->at += len;
    }
    return true;
}

/* RFC 3629 by what a sequence means: its code point must need so many bytes, and be a character. */
static void must_be_utf8(struct span in)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    while (in.at < in.end) {
        unsigned char lead = *in.at++;
        unsigned bytes = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
        uint32_t code = bytes > 1 ? lead & (0x7fu >> bytes) : lead;

        assert_true(bytes > 0 && (size_t)(in.end - in.at) >= bytes - 1);
        for (unsigned i = 1; i < bytes; i++, in.at++) {
            assert_int_equal(*in.at >> 6, 2);
            code = code << 6 | (*in.at & 63);
        }
        assert_true(code >= least[bytes] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
    }
}

static void say_text(struct span in)
{
    must_be_utf8(in);
    put((const char *)in.at, (size_t)(in.end - in.at));
}

static void say_any(struct span in)
{
    struct field field;

    assert_true(next(&in, &field)); /* a oneof: one, and no more */
    assert_true(in.at == in.end);
    if (field.number == 1 && field.form == 2) {
        say_text(field.in);
    } else if (field.number == 3 && field.form == 0) {
        say("#%llu", (unsigned long long)field.value);
    } else {
        const char *between = "[";
        struct field value;

        assert_true(field.number == 5 && field.form == 2);
        while (next(&field.in, &value)) {
            assert_true(value.number == 1 && value.form == 2);
            say("%s", between);
            say_any(value.in);
            between = "|";
        }
        say("]");
    }
}

struct keys {
    struct span seen[256];
    unsigned count;
};

static void say_attribute(struct keys *keys, struct span in)
{
    struct field key, value;

    assert_true(next(&in, &key) && next(&in, &value) && in.at == in.end);
    assert_true(key.number == 1 && key.form == 2 && value.number == 2 && value.form == 2);
    assert_true(key.in.at < key.in.end);
    for (unsigned i = 0; i < keys->count; i++)
        assert_false(keys->seen[i].end - keys->seen[i].at == key.in.end - key.in.at &&
                     memcmp(keys->seen[i].at, key.in.at, (size_t)(key.in.end - key.in.at)) == 0);
    assert_true(keys->count < 256);
    keys->seen[keys->count++] = key.in;
    say(" ");
    say_text(key.in);
    say("=");
    say_any(value.in);
}

static void say_hex(const char *name, struct span in)
{
    say(" %s=", name);
    while (in.at < in.end)
        say("%02x", *in.at++);
}

static void say_record(struct span in)
{
    struct keys keys = { 0 };
    struct field field;

    say("record");
    while (next(&in, &field)) {
        if (field.number == 1 && field.form == 1)
            say(" time=%llu", (unsigned long long)field.value);
        else if (field.number == 11 && field.form == 1)
            say(" observed=%llu", (unsigned long long)field.value);
        else if (field.number == 2 && field.form == 0)
            say(" severity=%llu", (unsigned long long)field.value);
        else if (field.number == 3 && field.form == 2)
            say("/"), say_text(field.in);
        else if (field.number == 5 && field.form == 2)
            say(" body=\""), say_any(field.in), say("\"");
        else if (field.number == 6 && field.form == 2)
            say_attribute(&keys, field.in);
        else if ((field.number == 9 || field.number == 10) && field.form == 2)
            say_hex(field.number == 9 ? "trace_id" : "span_id", field.in);
        else
            fail_msg("LogRecord: field %u of form %u", field.number, field.form);
    }
    say("\n");
}

static void say_resource(struct span in)
{
    struct keys keys = { 0 };
    struct field field;

    say("resource");
    while (next(&in, &field)) {
        if (field.number == 1 && field.form == 2)
            say_attribute(&keys, field.in);
        else if (field.number == 2 && field.form == 0)
            say(" dropped=%llu", (unsigned long long)field.value);
        else
            fail_msg("Resource: field %u of form %u", field.number, field.form);
    }
    say("\n");
}

static void must_be_our_scope(struct span in)
{
    struct field name, version;

    assert_true(next(&in, &name) && next(&in, &version) && in.at == in.end);
    assert_true(name.number == 1 && version.number == 2 && version.in.at < version.in.end);
    assert_int_equal(name.in.end - name.in.at, 7);
    assert_memory_equal(name.in.at, "logboom", 7);
}

static void say_scope_logs(struct span in)
{
    unsigned scopes = 0, records = 0;
    struct field field;

    while (next(&in, &field)) {
        assert_true((field.number == 1 || field.number == 2) && field.form == 2);
        if (field.number == 1) {
            must_be_our_scope(field.in);
            scopes++;
        } else {
            say_record(field.in);
            records++;
        }
    }
    assert_true(scopes == 1 && records > 0);
}

const char *otlp_text(const char *body, size_t len)
{
    struct span in = { (const unsigned char *)body, (const unsigned char *)body + len };
    struct field logs, field;

    text_len = 0;
    text[0] = '\0';
    while (next(&in, &logs)) {
        assert_true(logs.number == 1 && logs.form == 2);
        assert_true(next(&logs.in, &field) && field.number == 1 && field.form == 2);
        say_resource(field.in);
        assert_true(next(&logs.in, &field) && field.number == 2 && field.form == 2);
        say_scope_logs(field.in);
        assert_true(logs.in.at == logs.in.end);
    }
    return text;
}
