/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_REDACT_H
#define LB_SHAPE_REDACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Secrets are taken out of a text before anything but staging has it. What is
 * taken out is replaced by a marker, which no rule takes for a secret: a text
 * that was masked stays as it is when it is masked again.
 *
 *     password=hunter2 at http://joe:sesame@db  ──▶  password=[redacted] at http://joe:[redacted]@db
 *
 * Built-in rules know names of keys (in key=value, JSON, YAML, headers, query
 * strings), shapes of tokens, and numbers that check. The user's own are
 * patterns of PCRE2, matched behind those; a clean text without such rules never
 * reaches PCRE2. A pattern that takes too long on a text costs that text: it is
 * masked whole, as what cannot be checked may hold a secret.
 */
#define LB_REDACT_MARKER    "[redacted]"
#define LB_REDACT_UNCHECKED "[redacted: a rule took too long]"
#define LB_REDACT_RULES_MAX 64u /* built in and own */
#define LB_REDACT_PEM_LINES 200u

struct lb_redact;

struct lb_redact_rule_text {
    const char *name, *pattern;
    const char *replacement; /* $1 is the first group; NULL: the marker */
};

/*
 * Compile the rules of a service.
 *   builtin     names parted by blanks: "all", "all -email ipv4", "email card", "off"
 *   rules       count of them; copied
 *   ret_redact  free with lb_redact_free(); NULL when nothing is to be masked
 *   ret_why     filled on -EINVAL, for people
 *   returns     0 | -EINVAL a name or a pattern is wrong | -ENOMEM
 *   calls       the thread that loads the configuration
 */
int lb_redact_compile(const char *builtin, const struct lb_redact_rule_text *rules, unsigned count,
                      struct lb_redact **ret_redact, char *ret_why, size_t why_size);

/*
 * Free it, or do nothing with NULL.
 */
void lb_redact_free(struct lb_redact *redact);

/*
 * Are own rules matched by compiled code? false as well where there are none, or NULL.
 *   calls     any thread
 */
bool lb_redact_uses_jit(const struct lb_redact *redact);

/*
 * The name of a rule by its bit in lb_redact_result's rules.
 *   calls     any thread
 */
const char *lb_redact_rule_name(const struct lb_redact *redact, unsigned bit);

struct lb_redact_result {
    const char *text; /* as it was, or in the room */
    size_t len;
    bool was_changed;
    uint64_t rules; /* which masked something, by bits */
};

/*
 * Mask what the rules name.
 *   state     of the stream, 0 at first: lines of a key that was begun (PEM) go on in the next text
 *   text      len bytes, any content; one line, or several parted by LF
 *   room      room_size bytes, which text does not lie in; what does not fit is cut off, never left unmasked
 *   calls     one thread at a time; no allocation
 */
void lb_redact_apply(const struct lb_redact *redact, uint8_t *state, const char *text, size_t len, char *room,
                     size_t room_size, struct lb_redact_result *ret_result);

#endif
