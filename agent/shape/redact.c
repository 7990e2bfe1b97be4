/* SPDX-License-Identifier: MIT */
/*
 * Secrets are taken out of a text. In: a text. Out: the same where it is clean, else a copy without them.
 * Always true: what a rule names is not in what comes out, whatever the room; a marker is not masked again.
 *
 *     text ─▶ a key that goes on from the text before? ─▶ built-in rules: spans ─▶ copy ─▶ own rules: copy ─▶
 */
#include "agent/shape/redact.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "agent/shape/redact_parts.h"

#define MATCH_LIMIT  100000u /* steps for one match: a few milliseconds on a Pi */
#define MATCHES_MAX  1000u   /* of one rule in one text; each may have looked at all of it */
#define DEPTH_LIMIT  1000u
#define GROUPS_MAX   10u
#define NAME_MAX_LEN 40

static const char *const names[LB_REDACT_BUILTIN] = {
    "authorization", "password", "url", "aws",   "gcp",  "github", "slack", "stripe", "datadog",
    "vendor",        "jwt",      "pem", "email", "card", "iban",   "ipv4",  "ipv6",
};

struct own_rule {
    char name[NAME_MAX_LEN + 1];
    char *replacement;
    pcre2_code *code;
};

struct lb_redact {
    uint64_t builtin;
    unsigned count;
    bool uses_jit;
    char *spare; /* spare_bytes: one rule writes what the next one reads */
    size_t spare_bytes;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct own_rule own[];
};

/* ---- rules ---- */

static const uint64_t all =
    (1ull << LB_REDACT_BUILTIN) - 1 - (1ull << LB_REDACT_IPV4) - (1ull << LB_REDACT_IPV6);

static uint64_t builtin_of(const char *name, size_t len)
{
    if (len == 3 && memcmp(name, "all", 3) == 0)
        return all;
    for (unsigned i = 0; i < LB_REDACT_BUILTIN; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return 1ull << i;
    return 0;
}

static int read_builtin(const char *text, uint64_t *ret_rules, char *why, size_t size)
{
    uint64_t rules = 0;

    if (strcmp(text, "off") == 0)
        text = "";
    while (*(text += strspn(text, " \t")) != '\0') {
        size_t len = strcspn(text, " \t");
        bool is_away = text[0] == '-';
        uint64_t named = builtin_of(text + is_away, len - is_away);

        if (named == 0) {
            snprintf(why, size, "there is no rule \"%.*s\"", (int)(len < 40 ? len : 40), text);
            return -EINVAL;
        }
        rules = is_away ? rules & ~named : rules | named;
        text += len;
    }
    *ret_rules = rules;
    return 0;
}

static int compile_own(const struct lb_redact_rule_text *source, struct own_rule *rule, bool *ret_uses_jit,
                       char *why, size_t size)
{
    char message[160];
    size_t offset;
    int error;

    snprintf(rule->name, sizeof rule->name, "%s", source->name);
    rule->replacement = strdup(source->replacement ? source->replacement : LB_REDACT_MARKER);
    if (!rule->replacement)
        return -ENOMEM;
    rule->code = pcre2_compile((PCRE2_SPTR)source->pattern, strlen(source->pattern), PCRE2_MATCH_INVALID_UTF,
                               &error, &offset, NULL);
    if (rule->code) {
        *ret_uses_jit &= pcre2_jit_compile(rule->code, PCRE2_JIT_COMPLETE) == 0;
        return 0;
    }
    pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
    snprintf(why, size, "no pattern that PCRE2 understands: %s, at character %zu", message, offset + 1);
    return -EINVAL;
}

static int make_matcher(struct lb_redact *redact)
{
    redact->match = pcre2_match_data_create(GROUPS_MAX, NULL);
    redact->limits = pcre2_match_context_create(NULL);
    if (!redact->match || !redact->limits)
        return -ENOMEM;
    pcre2_set_match_limit(redact->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(redact->limits, DEPTH_LIMIT);
    return 0;
}

int lb_redact_compile(const char *builtin, const struct lb_redact_rule_text *rules, unsigned count,
                      struct lb_redact **ret_redact, char *why, size_t size)
{
    struct lb_redact *redact;
    uint64_t named = 0;
    int rc = read_builtin(builtin, &named, why, size);

    *ret_redact = NULL;
    if (rc < 0 || (named == 0 && count == 0))
        return rc;
    if (count > LB_REDACT_RULES_MAX - LB_REDACT_BUILTIN) {
        snprintf(why, size, "more than %u rules", LB_REDACT_RULES_MAX - (unsigned)LB_REDACT_BUILTIN);
        return -EINVAL;
    }
    redact = calloc(1, sizeof *redact + count * sizeof redact->own[0]);
    if (!redact)
        return -ENOMEM;
    redact->builtin = named;
    redact->uses_jit = count > 0;
    redact->spare_bytes = 256 * 1024; /* as long as a record may be; touched only as far as texts reach */
    redact->spare = malloc(redact->spare_bytes);
    rc = redact->spare ? 0 : -ENOMEM;
    if (rc == 0 && count > 0)
        rc = make_matcher(redact);
    for (; rc == 0 && redact->count < count; redact->count++)
        rc = compile_own(&rules[redact->count], &redact->own[redact->count], &redact->uses_jit, why, size);
    if (rc < 0)
        lb_redact_free(redact);
    else
        *ret_redact = redact;
    return rc;
}

void lb_redact_free(struct lb_redact *redact)
{
    if (!redact)
        return;
    for (unsigned i = 0; i < redact->count; i++) {
        free(redact->own[i].replacement);
        pcre2_code_free(redact->own[i].code);
    }
    pcre2_match_data_free(redact->match);
    pcre2_match_context_free(redact->limits);
    free(redact->spare);
    free(redact);
}

bool lb_redact_uses_jit(const struct lb_redact *redact)
{
    return redact && redact->uses_jit;
}

const char *lb_redact_rule_name(const struct lb_redact *redact, unsigned bit)
{
    if (bit < LB_REDACT_BUILTIN)
        return names[bit];
    return bit - LB_REDACT_BUILTIN < redact->count ? redact->own[bit - LB_REDACT_BUILTIN].name : "";
}

/* ---- putting together ---- */

struct out {
    char *to, *stop;
};

static void put(struct out *out, const char *text, size_t len)
{
    size_t room = (size_t)(out->stop - out->to);

    if (len > 0)
        out->to = mempcpy(out->to, text, len < room ? len : room);
}

/* The text without its spans. */
static size_t without(const struct lb_redact_find *find, char *room, size_t room_size)
{
    struct out out = { room, room + room_size };
    size_t at = 0;

    for (unsigned i = 0; i < find->count; i++) {
        put(&out, find->text + at, find->span[i].at - at);
        put(&out, LB_REDACT_MARKER, sizeof LB_REDACT_MARKER - 1);
        at = find->span[i].at + find->span[i].len;
    }
    put(&out, find->text + at, find->len - at);
    return (size_t)(out.to - room);
}

/* ---- a private key over several texts ---- */

/* How many bytes at the front of this text are still of the key that was begun. */
static size_t rest_of_key(const char *text, size_t len, uint8_t *state)
{
    size_t at = 0;

    while (at<len && * state> 0) {
        const char *stop = memchr(text + at, '\n', len - at);
        size_t line = (stop ? (size_t)(stop - text) : len) - at;

        if (!lb_redact_is_pem_body(text + at, line) || *state == LB_REDACT_PEM_LINES) {
            *state = 0; /* its end, or no line of a key */
            break;
        }
        ++*state;
        at += line + (stop ? 1 : 0);
    }
    return at;
}

static void continue_key(struct lb_redact_find *find, uint8_t *state)
{
    size_t rest = *state > 0 ? rest_of_key(find->text, find->len, state) : 0;

    if (rest > 0 && find->text[rest - 1] == '\n')
        rest--;
    lb_redact_add(find, 0, rest, LB_REDACT_PEM);
}

/* Was a key begun that has no end here? */
static bool is_key_open(const struct lb_redact_find *find)
{
    const struct lb_redact_span *last = find->count > 0 ? &find->span[find->count - 1] : NULL;
    const char *begin = NULL, *next;

    if (!lb_redact_has(find, LB_REDACT_PEM) || find->len < 20)
        return false;
    if (last && last->rule == LB_REDACT_PEM && last->at + last->len == find->len && last->at > 0)
        return true;
    /* The line of the begin alone has nothing to mask. */
    if (find->len < 27 || memcmp(find->text + find->len - 5, "-----", 5) != 0)
        return false;
    for (next = find->text; (next = memmem(next, find->len - (size_t)(next - find->text), "-----BEGIN ", 11));
         next += 11)
        begin = next;
    return begin && memmem(begin, find->len - (size_t)(begin - find->text), "PRIVATE KEY-----", 16) != NULL &&
           !memmem(begin, find->len - (size_t)(begin - find->text), "-----END", 8);
}

/* ---- own rules ---- */

static void put_replacement(struct out *out, const struct own_rule *rule, const char *text,
                            const size_t *groups, unsigned count)
{
    for (const char *at = rule->replacement; *at != '\0'; at++) {
        unsigned group = (unsigned)(at[1] - '0');

        if (at[0] != '$' || group > 9) {
            put(out, at, 1);
            continue;
        }
        at++;
        if (group < count && groups[2 * group] != PCRE2_UNSET)
            put(out, text + groups[2 * group], groups[2 * group + 1] - groups[2 * group]);
    }
}

/* Does a match lie within what is masked already? */
static bool is_marker(const char *text, size_t len, const size_t *groups)
{
    const char *marker = "[redacted]";
    size_t size = strlen(marker), from = groups[0] >= size ? groups[0] - size + 1 : 0;

    for (size_t at = from; at <= groups[0] && at + size <= len; at++)
        if (groups[1] <= at + size && memcmp(text + at, marker, size) == 0)
            return true;
    return false;
}

/* Apply one rule. Returns the new length, or a negative errno: it matched nothing (-ENOENT), or took too
 * long. */
static int64_t apply_own(const struct lb_redact *redact, const struct own_rule *rule, const char *text,
                         size_t len, char *room, size_t room_size)
{
    struct out out = { room, room + room_size };
    size_t at = 0, done = 0;
    unsigned matches = 0;
    bool was_found = false;

    while (at <= len) {
        int count =
            pcre2_match(rule->code, (PCRE2_SPTR)text, len, at, PCRE2_NOTEMPTY, redact->match, redact->limits);
        const size_t *groups = pcre2_get_ovector_pointer(redact->match);

        if (count == PCRE2_ERROR_NOMATCH)
            break;
        if (count < 0 || ++matches > MATCHES_MAX)
            return -ETIMEDOUT;
        if (is_marker(text, len, groups)) {
            at = groups[1] > at ? groups[1] : at + 1;
            continue;
        }
        was_found = true;
        put(&out, text + done, groups[0] > done ? groups[0] - done : 0);
        put_replacement(&out, rule, text, groups, count == 0 ? GROUPS_MAX : (unsigned)count);
        done = groups[1] > done ? groups[1] : done;
        at = groups[1] > at ? groups[1] : at + 1;
    }
    if (!was_found)
        return -ENOENT;
    put(&out, text + done, len - done);
    return out.to - room;
}

static void apply_all_own(const struct lb_redact *redact, char *room, size_t room_size,
                          struct lb_redact_result *result)
{
    for (unsigned i = 0; i < redact->count; i++) {
        size_t most = room_size < redact->spare_bytes ? room_size : redact->spare_bytes;
        int64_t len = apply_own(redact, &redact->own[i], result->text, result->len, redact->spare, most);

        if (len == -ENOENT)
            continue;
        if (len < 0) { /* what cannot be checked is not let out */
            len = (int64_t)(sizeof LB_REDACT_UNCHECKED - 1);
            len = (size_t)len < most ? len : (int64_t)most;
            memcpy(redact->spare, LB_REDACT_UNCHECKED, (size_t)len);
        }
        memcpy(room, redact->spare, (size_t)len);
        result->text = room;
        result->len = (size_t)len;
        result->was_changed = true;
        result->rules |= 1ull << (LB_REDACT_BUILTIN + i);
    }
}

/* ---- all of it ---- */

/* What is found in a text, and in what came of it, until nothing more is: so what is let out stays as it is
 * when it is masked again. A text that has more after so many times is masked whole. */
#define PASSES_MAX 4

static void begin_find(struct lb_redact_find *find, const struct lb_redact *redact,
                       const struct lb_redact_result *result)
{
    find->rules = redact->builtin;
    find->text = result->text;
    find->len = result->len;
    find->count = 0; /* the spans are long, and counted by this */
    find->url_end = find->masked_end = find->cookie_end = 0;
}

/* Take the spans out. The text goes from the room to the spare one, and back. */
static void take_out(const struct lb_redact *redact, const struct lb_redact_find *find, char *room,
                     size_t room_size, struct lb_redact_result *result)
{
    size_t most = room_size < redact->spare_bytes ? room_size : redact->spare_bytes;
    char *to = result->text == room ? redact->spare : room;

    result->len = without(find, to, most);
    result->text = to;
    result->was_changed = true;
    for (unsigned i = 0; i < find->count; i++)
        result->rules |= 1ull << find->span[i].rule;
}

static void apply_builtin(const struct lb_redact *redact, uint8_t *state, char *room, size_t room_size,
                          struct lb_redact_result *result)
{
    struct lb_redact_find find;

    for (unsigned pass = 0;; pass++) {
        begin_find(&find, redact, result);
        if (pass == 0)
            continue_key(&find, state);
        lb_redact_find_all(&find);
        if (pass == 0 && *state == 0 && is_key_open(&find))
            *state = 1;
        if (find.count == 0)
            break;
        if (pass == PASSES_MAX) {
            find.count = 1;
            find.span[0].at = 0;
            find.span[0].len = find.len;
        }
        take_out(redact, &find, room, room_size, result);
    }
    if (result->text == redact->spare) {
        memcpy(room, result->text, result->len);
        result->text = room;
    }
}

void lb_redact_apply(const struct lb_redact *redact, uint8_t *state, const char *text, size_t len, char *room,
                     size_t room_size, struct lb_redact_result *result)
{
    *result = (struct lb_redact_result) { .text = text, .len = len };
    if (redact->builtin)
        apply_builtin(redact, state, room, room_size, result);
    if (redact->count > 0)
        apply_all_own(redact, room, room_size, result);
}
