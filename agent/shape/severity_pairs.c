/* SPDX-License-Identifier: MIT */
/* key=value. In: text. Out: the level that its pairs state, and the trace ids that stand in it. Always true:
 * ids are looked for from one '=' to the next, so a text without any costs one memchr().
 */
#include <string.h>
#include <strings.h>

#include "agent/shape/severity_parts.h"
#include "common/eight.h"
#include "common/escape.h"
#include "common/level_word.h"

#define NEARBY 3 /* eights */

struct key {
    const char *text;
    size_t len;
    size_t span, rank; /* for ids: 1 for that of a span; the lowest rank wins */
};
#define KEY(text, ...)                      \
    {                                       \
        text, sizeof(text) - 1, __VA_ARGS__ \
    }

static const struct key level_keys[] = { KEY("level", 0, 0),     KEY("lvl", 0, 0),
                                         KEY("severity", 0, 0),  KEY("levelname", 0, 0),
                                         KEY("log.level", 0, 0), KEY("log_level", 0, 0),
                                         KEY("loglevel", 0, 0) };

/* Ends of keys: what stands in front of one must not belong to the key. */
static const struct key id_keys[] = {
    KEY("dd.trace_id", 0, 0), KEY("dd.span_id", 1, 0), KEY("otelTraceID", 0, 1), KEY("otelSpanID", 1, 1),
    KEY("trace_id", 0, 2),    KEY("span_id", 1, 2),    KEY("traceId", 0, 3),     KEY("spanId", 1, 3),
    KEY("traceID", 0, 3),     KEY("spanID", 1, 3),     KEY("trace.id", 0, 3),    KEY("span.id", 1, 3),
};

static const bool key_bytes[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['_'] = true,
    ['.'] = true,         ['-'] = true,         ['@'] = true,         ['/'] = true
};

static bool is_key_byte(char c)
{
    return key_bytes[(unsigned char)c];
}

static bool is_level_key(const char *key, size_t len)
{
    for (size_t i = 0; i < sizeof level_keys / sizeof level_keys[0]; i++)
        if (level_keys[i].len == len && strncasecmp(level_keys[i].text, key, len) == 0)
            return true;
    return false;
}

/*
 * A value ends with its quote, which may be a single one (structlog's key-value renderer), or at a blank.
 * Sets from and to; returns where the next pair may begin.
 */
static size_t value_end(const char *text, size_t len, size_t at, size_t *ret_from, size_t *ret_to)
{
    char quote = at < len ? text[at] : '\0';

    if (quote != '"' && quote != '\'') {
        *ret_from = at;
        while (at < len && text[at] != ' ' && text[at] != '\t' && text[at] != '\n')
            at++;
        *ret_to = at;
        return at;
    }
    *ret_from = ++at;
    while (at < len && text[at] != quote)
        at += text[at] == '\\' ? 2 : 1;
    *ret_to = at < len ? at : len;
    return at < len ? at + 1 : len;
}

int lb_severity_pairs(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t key = at, key_end, from, to;
        int level;

        while (at < len && is_key_byte(text[at]))
            at++;
        key_end = at;
        if (key_end == key || at == len || text[at] != '=')
            return -1;
        at = value_end(text, len, at + 1, &from, &to);
        if (is_level_key(text + key, key_end - key)) {
            level = lb_level_word(text + from, to - from);
            if (level >= 0)
                return level;
        }
        while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == ','))
            at++;
    }
    return -1;
}

bool lb_severity_is_id(const char *value, size_t len)
{
    bool is_zero = true;

    if (len == 0 || len > 39) /* 128 bits in decimal */
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = value[i];

        if ((c < '0' || c > '9') && (len > 32 || (c | 0x20) < 'a' || (c | 0x20) > 'f'))
            return false;
        is_zero &= c == '0';
    }
    return !is_zero;
}

/* Where a key ends that has a colour switched off behind it; a coloured renderer does that. */
static size_t before_colour(const char *text, size_t at)
{
    size_t from = at;

    if (at == 0 || text[at - 1] != 'm')
        return at;
    while (from > 0 && at - from < 16 && text[from - 1] != LB_ESCAPE)
        from--;
    return from > 0 && text[from - 1] == LB_ESCAPE &&
                   lb_escape_length(text + from - 1, at - from + 1) == at - from + 1
               ? from - 1
               : at;
}

/* What stands in front of the "id" of all keys; "uid=" is frequent. */
static bool precedes_id(char c)
{
    return c == '_' || c == '.' || c == 'e' || c == 'n';
}

static const struct key *id_key_before(const char *text, size_t at)
{
    at = before_colour(text, at);
    if (at < 6 || (text[at - 1] | 0x20) != 'd' || (text[at - 2] | 0x20) != 'i' || !precedes_id(text[at - 3]))
        return NULL;
    for (size_t i = 0; i < sizeof id_keys / sizeof id_keys[0]; i++) {
        const struct key *key = &id_keys[i];
        size_t from = at - key->len;

        if (key->len <= at && memcmp(text + from, key->text, key->len) == 0 &&
            (from == 0 || !is_key_byte(text[from - 1]) || before_colour(text, from) != from))
            return key;
    }
    return NULL;
}

/* The id behind a '=' that at stands behind: quotes and colours are seen through. */
static struct lb_severity_span id_at(const char *text, size_t len, size_t at)
{
    size_t end;

    for (size_t skip = 1; skip > 0; at += skip)
        skip = lb_escape_length(text + at, len - at);
    at += at < len && (text[at] == '"' || text[at] == '\'');
    for (end = at; end < len && is_key_byte(text[end]); end++)
        continue;
    if (end == LB_SEVERITY_IDS_LOOK ||
        !lb_severity_is_id(text + at, end - at)) /* it may go on where we do not look */
        return (struct lb_severity_span) { 0, 0 };
    return (struct lb_severity_span) { (uint32_t)at, (uint32_t)(end - at) };
}

/* Does a byte in front of a '=' end a key of ours, or a colour behind one? */
static bool may_end_key(char c)
{
    return (c | 0x20) == 'd' || c == 'm';
}

/*
 * Values are short: the next '=' is looked for nearby first, as a call of memchr() costs more than that.
 * `text` is where the whole begins: the last eight bytes may reach back in front of `at`.
 */
static const char *next_sign(const char *text, const char *at, const char *end)
{
    uint64_t found;

    for (unsigned i = 0; i < NEARBY && end - at >= 8; i++, at += 8) {
        found = lb_eight_equal(lb_eight_load(at), '=');
        if (found)
            return at + lb_eight_first(found);
    }
    if (end - at >= 8 || end - text < 8)
        return at < end ? memchr(at, '=', (size_t)(end - at)) : NULL;
    if (at == end)
        return NULL;
    found = lb_eight_equal(lb_eight_load(end - 8) >> (8 * (8 - (size_t)(end - at))), '=');
    return found ? at + lb_eight_first(found) : NULL;
}

void lb_severity_ids(const char *text, size_t len, const char *sign, struct lb_severity *ret)
{
    struct lb_severity_span *spans[] = { &ret->trace_id, &ret->span_id };
    size_t best[2] = { SIZE_MAX, SIZE_MAX };

    for (; sign; sign = next_sign(text, sign + 1, text + len)) {
        struct lb_severity_span span;
        const struct key *key;

        if (sign == text || !may_end_key(sign[-1]))
            continue;
        key = id_key_before(text, (size_t)(sign - text));
        if (!key || key->rank >= best[key->span])
            continue;
        span = id_at(text, len, (size_t)(sign + 1 - text));
        if (span.len > 0) {
            *spans[key->span] = span;
            best[key->span] = key->rank;
        }
    }
}
