/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_KEYS_H
#define LB_COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The key table: one row holds all there is to know of a key of the INI. The
 * loader, the defaults, the range checks, the sample file and the manual page
 * are read off it; a new key is a row and a field.
 */
enum lb_key_section {
    LB_SECTION_AGENT = 0,
    LB_SECTION_LOG,
    LB_SECTION_CAPTURE,
    LB_SECTION_THROTTLE,
    LB_SECTION_REDACT,
    LB_SECTION_RING,
    LB_SECTION_HELD,
    LB_SECTION_BACKLOG,
    LB_SECTION_NETWORK,
    LB_SECTION_SPOOL,
    LB_SECTION_WEAR,
    LB_SECTION_HEARTBEAT,
    LB_SECTION_METRICS,
    LB_SECTION_REMOTE,
    LB_SECTION_SERVICE, /* [service NAME]; takes the rows of its own and those with is_per_service */
    LB_SECTION_INPUT,   /* [input NAME] */
    LB_SECTION_SINK,    /* [sink NAME] */
    LB_SECTION_COUNT
};

/* What a value must look like, and what its field is. */
enum lb_key_type {
    LB_KEY_NUMBER = 0, /* unsigned of the field's size */
    LB_KEY_SIZE,       /* uint64_t, bytes */
    LB_KEY_DURATION,   /* uint64_t, milliseconds */
    LB_KEY_RATE,       /* uint64_t, units a day: 200/s, 20/min, 50M/day */
    LB_KEY_PERCENT,    /* uint64_t, the N of N% */
    LB_KEY_SHARE,      /* uint64_t, the N of 1/N */
    LB_KEY_QUOTA,      /* struct lb_quota: 50M/day, 500M/month */
    LB_KEY_BOOL,       /* bool */
    LB_KEY_LEVEL,      /* enum lb_level */
    LB_KEY_RULES,      /* struct lb_rule_list; the row's name is "kind NAME", each NAME a value of its own */
    LB_KEY_CHOICE,     /* an enum whose members count from 0 in the order of .choices */
    LB_KEY_WORD,       /* char *, one of .choices */
    LB_KEY_TEXT,       /* char *, printable, no blanks */
    LB_KEY_TEMPLATE,   /* char *, expanded by lb_expand() when all files are read */
    LB_KEY_PATH,       /* char *, absolute */
    LB_KEY_URL,        /* char *, http or https, without a user or a password */
    LB_KEY_HOST,       /* char *, letters, digits, dots, hyphens */
    LB_KEY_PHRASE      /* char *, printable, blanks allowed */
};

enum lb_key_reload {
    LB_RELOAD_LIVE = 0, /* SIGHUP brings it into effect */
    LB_RELOAD_RESTART   /* the next start does */
};

struct lb_key {
    enum lb_key_section section;
    const char *name;
    const char *path; /* "section.name" */
    enum lb_key_type type;
    const char *dflt;    /* as one would write it; "" in a text: not set */
    const char *sample;  /* what the sample file sets it to; NULL: it shows the default, commented */
    const char *example; /* what it shows commented, where the default would not do; NULL: the default */
    uint64_t min,
        max; /* of numbers, sizes and durations; of texts: the most bytes in max, 0 for LB_VALUE_MAX */
    const char *unit;    /* of a number: what is counted */
    const char *choices; /* "a|b|c" */
    size_t offset, size; /* of the field, in lb_service_config, lb_input_config, lb_sink_config, or lb_config;
                            with is_per_service in the struct of its section */
    enum lb_key_reload reload;
    bool is_per_service; /* of [capture], [throttle], [redact]: a [service NAME] may set it for itself */
    bool is_required;
    const char *off_means; /* what `off` brings about, or NULL: it is refused */
    uint64_t off_value;
    const char *off_never;  /* why `off` is refused, where a reader may expect it */
    const char *auto_means; /* how `auto` finds a value, or NULL: it is refused; it reads as LB_AUTO */
    const char *sink_type;  /* the types of [sink], or of [input], that look at it, "a|b"; NULL: all */
    const char *help;
};

struct lb_key_section_info {
    const char *name;
    const char *sample_name; /* what the sample calls it; NULL: the section takes no name */
    bool is_commented;       /* the sample file shows it as an example only */
    const char *intro;
};

/*
 * The rows, in the order of the sample file.
 *   ret_count  how many
 *   returns    static
 *   calls      any thread
 */
const struct lb_key *lb_keys(size_t *ret_count);

/*
 * Does a sink, or an input, of this type look at a key of its section?
 *   calls    any thread
 */
bool lb_key_is_for(const struct lb_key *key, const char *type);

/*
 * What a section is called and for.
 *   returns  static
 *   calls    any thread
 */
const struct lb_key_section_info *lb_key_section_info(enum lb_key_section section);

/*
 * Does this section take this row?
 *   calls    any thread
 */
bool lb_key_is_in(const struct lb_key *key, enum lb_key_section section);

/*
 * Find a row by its name.
 *   returns  the row that this section takes | NULL
 *   calls    any thread
 */
const struct lb_key *lb_key_find(enum lb_key_section section, const char *name);

/*
 * Say why a key is not known in a section, and what may have been meant:
 * where it belongs, or the nearest name within two letters.
 *   why      filled with text, never empty; repeats at most the start of name
 *   calls    any thread
 */
void lb_key_explain_unknown(enum lb_key_section section, const char *name, char *why, size_t size);

/*
 * Say that a section is not known, with the nearest name within two letters.
 *   kind     its first word
 *   why      filled with text, never empty
 *   calls    any thread
 */
void lb_key_explain_unknown_section(const char *kind, char *why, size_t size);

/*
 * Read a value by its row and store it.
 *   text     NUL-terminated
 *   field    where the row's field lives; a text there is freed and replaced
 *   why      on -EINVAL: what is wrong. Never repeats the value, which may be a secret gone astray
 *   returns  0 | -EINVAL | -ENOMEM; on error the field is as before
 *   calls    any thread
 */
int lb_key_store(const struct lb_key *key, const char *text, void *field, char *why, size_t size);

/*
 * The name in "kind NAME", if that is how this row's keys are written.
 *   returns  where it begins in text | NULL: the row takes no name, or text is not of that form
 *   calls    any thread
 */
const char *lb_key_rule_name(const struct lb_key *key, const char *text);

/*
 * Are two values of a row the same?
 *   calls    any thread
 */
bool lb_key_equal(const struct lb_key *key, const void *field_a, const void *field_b);

/*
 * Is the field a char * that its owner frees?
 *   calls    any thread
 */
bool lb_key_is_text(const struct lb_key *key);

/*
 * What may be written, for people: "64K to 8M", "yes or no", "zstd, gzip or none".
 *   returns  buf, cut if too small
 *   calls    any thread
 */
char *lb_key_print_range(const struct lb_key *key, char *buf, size_t size);

#endif
