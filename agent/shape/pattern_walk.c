/* SPDX-License-Identifier: MIT */
/*
 * The walk over a line. In: a line. Out: its template, and the number of that. Always true: each byte is
 * looked at in order, and none of what is masked is let out: no digit ever is. To the number all masks are
 * the same, as what is a number today may be a name tomorrow.
 *
 *     word, word, ... parted by blanks and punctuation
 *       letters alone ──▶ kept            else ──▶ kept in part, or masked
 *     "..." '...' ──▶ masked, but for a request, keys, and the message of JSON and logfmt
 *
 * It runs for each line of a service that says much: plain words are found and mixed eight bytes at a time,
 * and what makes a word special is asked only where a hint says that it may be.
 */
#include <string.h>

#include "agent/shape/pattern_kinds.h"
#include "agent/shape/pattern_parts.h"
#include "common/eight.h"

#define RARE __attribute__((noinline)) /* what needs registers that ordinary words do not */

static const char class_names[LB_PATTERN_CLASSES][8] = {
    "", "<num>", "<hex>", "<uuid>", "<ip>", "<path>", "<url>", "<mail>", "<time>", "<str>", "<name>", "<id>",
};

#define PENDING_MAX  8
#define WORD_SEED    0x9e3779b97f4a7c15u
#define MASKED       1u /* stands for a mask in the number; no character is mixed as it */
#define HEX_WORD_LEN 8  /* letters a to f alone: so many are no word */

/* What was read before makes the next word a special one. */
enum {
    BEHIND_USER = 1,  /* "user" */
    SURE_USER = 2,    /* "for user", "invalid user" */
    BEHIND_FOR = 4,   /* "for" */
    BEHIND_EQUAL = 8, /* "=" */
    WANTS_VALUE = 16, /* a key of JSON and its colon */
    KEPT_VALUE = 32   /* and that is one of those whose value is looked at */
};

struct walk {
    const char *at, *line, *end; /* behind the end stand blanks */
    uint64_t number;             /* of what was let out */
    char *to, *stop;             /* the template; to NULL: nobody wants it */
    char pending[PENDING_MAX];   /* separators behind the last mask: they go where another mask follows */
    unsigned pending_count;
    unsigned hints;
    bool is_behind_mask; /* nothing but what is pending is behind the last mask */
    bool is_aside; /* among that is an opening bracket; or one was left out, and so is its closing one */
    const char *quote_end;  /* of what is looked at though it is quoted; NULL: there is none */
    const char *last_front; /* what is kept of a word in front of its number, if that came last */
    size_t last_front_len;
};

/* ---- what is let out ---- */

static inline uint64_t step(uint64_t number, uint64_t what)
{
    number = (number ^ what) * 0x9fb21c651e98df25u;
    return number ^ number >> 29;
}

static inline void mix(struct walk *walk, uint64_t what)
{
    walk->number = step(walk->number, what);
}

static inline void write_text(struct walk *walk, const char *text, size_t len)
{
    size_t room;

    if (!walk->to)
        return;
    room = (size_t)(walk->stop - walk->to);
    walk->to = mempcpy(walk->to, text, len < room ? len : room);
}

static inline void write_char(struct walk *walk, char c)
{
    mix(walk, (unsigned char)c);
    write_text(walk, &c, 1);
}

static void flush_pending(struct walk *walk)
{
    for (unsigned i = 0; i < walk->pending_count; i++)
        if (walk->pending[i] == ' ')
            write_text(walk, " ", 1);
        else
            write_char(walk, walk->pending[i]);
    walk->pending_count = 0;
    walk->is_behind_mask = walk->is_aside = false;
    walk->last_front = NULL;
}

static inline void flush(struct walk *walk)
{
    if (walk->is_behind_mask | walk->is_aside)
        flush_pending(walk);
}

static inline void keep(struct walk *walk, const char *word, size_t len, uint64_t number)
{
    flush(walk);
    mix(walk, number);
    write_text(walk, word, len);
}

static void mask(struct walk *walk, enum lb_pattern_class class)
{
    walk->hints = 0;
    if (walk->is_behind_mask) { /* one more of the same */
        walk->pending_count = 0;
        walk->last_front = NULL;
        return;
    }
    flush(walk);
    mix(walk, MASKED);
    write_text(walk, class_names[class], strlen(class_names[class]));
    walk->is_behind_mask = true;
}

/* ---- words ---- */

/* The number of a word; eight more bytes may be read behind it. */
static uint64_t number_of(const char *word, size_t len)
{
    uint64_t number = WORD_SEED;

    for (; len >= 8; word += 8, len -= 8)
        number = step(number, lb_eight_load(word));
    return step(number, len > 0 ? lb_eight_load(word) & UINT64_MAX >> (64 - 8 * len) : 0);
}

/* "Jun 14", "Sun Jul 17", and "UTC" behind a time. */
static bool is_of_date(const struct walk *walk, const char *word)
{
    const char *next = walk->at;

    if (!lb_pattern_is_of_date(word))
        return false;
    if (walk->is_behind_mask && !walk->is_aside)
        return true;
    while (next < walk->end && *next == ' ')
        next++;
    return next < walk->end && next > walk->at &&
           (kind(next) == DIGIT || (walk->end - next > 3 && lb_pattern_is_of_date(next)));
}

/* A quick look: behind a date's name stands no word of small letters. */
static inline bool may_be_of_date(const struct walk *walk)
{
    return walk->is_behind_mask || (*walk->at == ' ' && (unsigned char)walk->at[1] < 'a');
}

static inline bool is_behind(const struct walk *walk, const char *word, const char *what, size_t len)
{
    return (size_t)(word - walk->line) >= len && memcmp(word - len, what, len) == 0;
}

/* "a.example.net": a name by what stands around it? */
static bool is_dotted_name(const struct walk *walk, const char *word)
{
    if (walk->hints & BEHIND_EQUAL)
        return !is_behind(walk, word, "logger=", 7);
    if (walk->is_aside && walk->is_behind_mask) /* in brackets behind its address */
        return true;
    /* in front of its address: "a.example.net [10.0.0.1]" */
    return *walk->at == ' ' && (walk->at[1] == '[' || walk->at[1] == '(') && kind(walk->at + 2) == DIGIT;
}

/* A word that may be a special one: is it masked? */
RARE static bool is_masked(const struct walk *walk, const char *word, size_t len, bool has_dot)
{
    if ((walk->hints & (WANTS_VALUE | KEPT_VALUE)) == WANTS_VALUE || walk->hints & SURE_USER)
        return true;
    if (walk->hints & BEHIND_USER && lb_pattern_may_be_user(word, len))
        return true;
    if (walk->hints & BEHIND_FOR && memcmp(walk->at, " from ", 6) == 0 && kind(walk->at + 6) == DIGIT)
        return true; /* "for root from 10.0.0.1" */
    if (len == 3 && is_of_date(walk, word))
        return true;
    return has_dot && is_dotted_name(walk, word);
}

/* Is it one of the words that make the next one special? */
static inline void take_hint(struct walk *walk, const char *word, size_t len)
{
    unsigned hints = 0;

    if (len == 3 || len == 4) {
        uint32_t four;

        memcpy(&four, word, sizeof four);
        four = le32toh(four) | 0x20202020;
        if (len == 4 && four == 0x72657375) /* "user" */
            hints = BEHIND_USER |
                    (walk->hints & BEHIND_FOR || is_behind(walk, word, "nvalid ", 7) ? SURE_USER : 0);
        else if (len == 3 && (four & 0xffffff) == 0x726f66) /* "for" */
            hints = BEHIND_FOR;
    }
    walk->hints = hints;
}

static inline void take_plain(struct walk *walk, const char *word, size_t len, uint64_t number)
{
    if ((walk->hints || (len == 3 && may_be_of_date(walk))) && is_masked(walk, word, len, false)) {
        mask(walk, walk->hints & WANTS_VALUE ? LB_PATTERN_STR : LB_PATTERN_NAME);
        return;
    }
    if (len <= 4 && walk->pending_count == 1 && walk->pending[0] == ' ' && lb_pattern_is_unit(word, len)) {
        walk->pending_count = 0; /* "1.18 KB" is a number */
        return;
    }
    keep(walk, word, len, number);
    take_hint(walk, word, len);
}

/* A word without digits that holds other characters than letters. */
static void take_odd(struct walk *walk, const char *word, size_t len, bool has_dot)
{
    if ((walk->hints || has_dot) && is_masked(walk, word, len, has_dot)) {
        mask(walk, LB_PATTERN_NAME);
        return;
    }
    keep(walk, word, len, number_of(word, len));
    walk->hints = 0;
}

/* A word with digits, or with what only paths and addresses have: what is kept in front of what is masked. */
static void take_masked(struct walk *walk, const char *word, size_t len, size_t front)
{
    enum lb_pattern_class class = LB_PATTERN_ID;
    bool is_again = front > 0 && front == walk->last_front_len && walk->last_front && walk->is_behind_mask &&
                    memcmp(walk->last_front, word, front) == 0;

    if (is_again) { /* "blk_7" behind "blk_5" */
        walk->pending_count = 0;
        walk->hints = 0;
        return;
    }
    if (walk->to) {
        class = front > 0 ? LB_PATTERN_NUM : lb_pattern_judge(word, len);
        class = class == LB_PATTERN_WORD ? LB_PATTERN_ID : class;
    }
    if (front > 0)
        keep(walk, word, front, number_of(word, front));
    mask(walk, class);
    walk->last_front = front > 0 ? word : NULL;
    walk->last_front_len = front;
}

/*
 * A word's end, from where it is known to go on; what may not end a word is left to what follows.
 *   ret_seen  which kinds of characters it holds
 */
static inline const char *end_of_word(const struct walk *walk, const char *at, unsigned *ret_seen)
{
    unsigned seen = 0, is;

    for (; (is = kind(at)) & IN_WORD; at++)
        seen |= is;
    if (*at == '?' && seen & MARK) /* a query belongs to its path */
        for (; !((is = kind(at)) & (BLANK | QUOTE)); at++)
            seen |= is;
    while (kind(at - 1) & JOINT && at > walk->at + 1 && at[-1] != '/' && at[-1] != '%')
        at--;
    *ret_seen = seen;
    return at;
}

/* A part of a word in front of a colon, and the colon. */
static void take_part_of_word(struct walk *walk, const char *word, size_t cut)
{
    unsigned seen = 0;

    for (size_t i = 0; i < cut; i++)
        seen |= kind(word + i);
    walk->at = word + cut;
    if (seen & DIGIT)
        take_masked(walk, word, cut, lb_pattern_front(word, cut));
    else
        take_odd(walk, word, cut, seen & DOT);
    flush(walk);
    while (*walk->at == ':')
        write_char(walk, *walk->at++);
    walk->hints = 0;
}

RARE static void take_mixed(struct walk *walk, const char *from)
{
    const char *word = walk->at;
    unsigned seen;
    size_t len, cut;

    walk->at = end_of_word(walk, from, &seen);
    len = (size_t)(walk->at - word);
    if (seen & DIGIT) {
        cut = seen & COLON ? lb_pattern_cut(word, len, seen & MARK) : 0;
        if (cut > 0)
            take_part_of_word(walk, word, cut);
        else
            take_masked(walk, word, len, lb_pattern_front(word, len));
    } else if (len == 1 && *word == '-' && (walk->is_behind_mask || (word > walk->line && word[-1] == '['))) {
        mask(walk, LB_PATTERN_STR); /* a value that is not there */
    } else if (seen & MARK && lb_pattern_judge(word, len) != LB_PATTERN_WORD) {
        take_masked(walk, word, len, 0);
    } else {
        take_odd(walk, word, len, seen & DOT);
    }
}

static bool is_hex_word(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((word[i] | 0x20) < 'a' || (word[i] | 0x20) > 'f')
            return false;
    return true;
}

static inline void take_word(struct walk *walk)
{
    const char *word = walk->at, *at = word;
    uint64_t eight = lb_eight_load(at), number = WORD_SEED, other;
    unsigned seen;
    size_t len;

    if (kind(at) == DIGIT) { /* whatever it is, it changes */
        walk->at = end_of_word(walk, at, &seen);
        take_masked(walk, word, (size_t)(walk->at - word), 0);
        return;
    }
    while ((other = ~letters_of(eight) & LB_EIGHT_HIGHS) == 0) {
        number = step(number, eight);
        eight = lb_eight_load(at += 8);
    }
    number = step(number, eight & (((other & -other) >> 7) - 1));
    at += lb_eight_first(other);
    len = (size_t)(at - word);
    if (len == 0 || kind(at) & IN_WORD) {
        take_mixed(walk, at);
        return;
    }
    walk->at = at;
    if (len >= HEX_WORD_LEN && is_hex_word(word, len))
        mask(walk, LB_PATTERN_HEX);
    else
        take_plain(walk, word, len, number);
}

/* ---- quotes ---- */

/* A key and its colon. One that holds digits may be a value itself: that of a table by address or number. */
static void take_key(struct walk *walk, const char *close)
{
    const char *key = walk->at + 1;
    size_t len = (size_t)(close - key);
    bool is_odd = false;
    unsigned seen = 0;

    for (size_t i = 0; i < len; i++) {
        seen |= kind(key + i);
        is_odd |= kind(key + i) == BLANK && key[i] != ' ';
    }
    flush(walk);
    write_char(walk, *walk->at);
    if (is_odd)
        mask(walk, LB_PATTERN_STR);
    else if (seen & DIGIT)
        take_masked(walk, key, len, lb_pattern_front(key, len));
    else
        keep(walk, key, len, number_of(key, len));
    flush(walk);
    write_char(walk, *close);
    for (walk->at = close + 1; *walk->at == ' ';)
        walk->at++;
    write_char(walk, *walk->at++);
    walk->hints = WANTS_VALUE | (lb_pattern_is_kept_key(key, len) ? KEPT_VALUE : 0);
}

RARE static void take_quote(struct walk *walk)
{
    const char *limit = walk->quote_end ? walk->quote_end : walk->end, *close = NULL;

    if (walk->at != walk->quote_end)
        close = lb_pattern_quote_end(walk->line, walk->at, limit);
    if (close && lb_pattern_is_key(walk->line, walk->at, close, walk->end)) {
        take_key(walk, close);
    } else if (close && !walk->quote_end &&
               (walk->hints & KEPT_VALUE || lb_pattern_is_request(walk->at, close) ||
                lb_pattern_is_kept_value(walk->line, walk->at))) {
        walk->quote_end = close;
        walk->hints = 0;
        flush(walk);
        write_char(walk, *walk->at++);
    } else if (close) {
        walk->at = close + 1;
        mask(walk, LB_PATTERN_STR);
    } else { /* an apostrophe, or the end of what is looked at */
        if (walk->at == walk->quote_end)
            walk->quote_end = NULL;
        walk->hints = 0;
        flush(walk);
        write_char(walk, *walk->at++);
    }
}

/* ---- the line ---- */

/* What is no blank and parts words. */
static inline void take_part(struct walk *walk)
{
    char c = *walk->at++;

    if ((c == '<' || c == '>') && kind(walk->at) == DIGIT)
        return; /* "<1 s" is a number */
    if (c == '=')
        walk->hints = BEHIND_EQUAL;
    else if (c == '[' || c == '(')
        walk->hints &= ~(unsigned)(BEHIND_EQUAL | BEHIND_FOR);
    else
        walk->hints = 0;
    if (walk->is_behind_mask) {
        if (c == ')' && walk->is_aside) {
            walk->pending_count = 0;
            walk->is_aside = false;
            return;
        }
        if ((c == ',' || c == '(') && walk->pending_count < PENDING_MAX) {
            walk->is_aside |= c == '(';
            walk->pending[walk->pending_count++] = c;
            return;
        }
    }
    flush(walk);
    write_char(walk, c);
}

/*
 * Blanks are one, and make no difference to the number, as words are mixed one by one. Behind a mask they
 * wait: another mask makes them one with the first.
 */
static inline void take_blank(struct walk *walk)
{
    do
        walk->at++;
    while (kind(walk->at) == BLANK && walk->at < walk->end);
    if (!walk->is_behind_mask)
        write_text(walk, " ", 1);
    else if (walk->pending_count < PENDING_MAX)
        walk->pending[walk->pending_count++] = ' ';
}

static void go_to(struct walk *walk, const char *stop)
{
    while (walk->at < stop) {
        unsigned is = kind(walk->at);

        if (is & IN_WORD) {
            take_word(walk);
            is = kind(walk->at); /* most often a blank */
        }
        if (walk->at >= stop)
            break; /* what stands there may be padding */
        if (is & BLANK)
            take_blank(walk);
        else if (is & QUOTE)
            take_quote(walk);
        else if (is == PART)
            take_part(walk);
    }
}

uint64_t lb_pattern_walk(const char *line, size_t len, struct lb_pattern_span names, char *buf, size_t size,
                         size_t *ret_len)
{
    struct walk walk = { .at = line, .line = line, .end = line + len, .to = buf, .number = WORD_SEED };
    uint64_t number;

    walk.stop = buf ? buf + size : NULL;
    go_to(&walk, line + names.from);
    if (names.from < names.to) {
        flush(&walk);
        number = walk.number;
        go_to(&walk, line + names.to);
        flush(&walk);
        walk.hints = 0;
        walk.number = number;
    }
    go_to(&walk, walk.end);
    if (buf)
        *ret_len = (size_t)(walk.to - buf);
    return walk.number;
}
