/* SPDX-License-Identifier: MIT */
/* Time stamps by their shape. In: text. Out: how long the stamp at its front is. Nearly all stamps are ISO
 * 8601 or asctime, so these are compared eight bytes at a time; the others are found in tables of shapes, in
 * which 0 stands for a digit, _ for a digit or a blank, A for a letter, and all else for itself.
 */
#include "common/stamp.h"

#include <stdbool.h>
#include <string.h>

#include "common/calendar.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/*
 * Do eight characters have a shape? All at once: what differs from the model may be 0..9 where a digit is
 * wanted and nothing elsewhere; slack lifts what is more into a byte's highest bit. No byte carries into the
 * next one, but for one above 0x7f, which is no match anyway.
 */
#define DIGIT "\x76"
#define EXACT "\x7f"

static bool fits_eight(const char *text, const char *model, const char *slack)
{
    uint64_t have, want, lift;

    memcpy(&have, text, sizeof have);
    memcpy(&want, model, sizeof want);
    memcpy(&lift, slack, sizeof lift);
    have ^= want;
    return (((have + lift) | have) & 0x8080808080808080u) == 0;
}

static bool fits_date(const char *text)
{
    return fits_eight(text, "0000-00-", DIGIT DIGIT DIGIT DIGIT EXACT DIGIT DIGIT EXACT) &&
           is_digit(text[8]) && is_digit(text[9]);
}

static bool fits_time(const char *text)
{
    return fits_eight(text, "00:00:00", DIGIT DIGIT EXACT DIGIT DIGIT EXACT DIGIT DIGIT);
}

static bool fits(char c, char shape)
{
    switch (shape) {
    case '0':
        return is_digit(c);
    case '_':
        return is_digit(c) || c == ' ';
    case 'A':
        return is_letter(c);
    default:
        return c == shape;
    }
}

/* Length of a shape if the text begins with it. */
static size_t shape_length(const char *text, size_t len, const char *shape)
{
    size_t at = 0;

    for (; shape[at]; at++)
        if (at == len || !fits(text[at], shape[at]))
            return 0;
    return at;
}

static size_t digits_length(const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && is_digit(text[at]))
        at++;
    return at;
}

/* ".123" or ",123". */
static inline size_t fraction_length(const char *text, size_t len)
{
    size_t digits = len > 1 && (text[0] == ',' || text[0] == '.') ? digits_length(text + 1, len - 1) : 0;

    return digits ? digits + 1 : 0;
}

static size_t zone_name_length(const char *text, size_t len)
{
    if (len >= 2 && text[1] == 'M' && (text[0] == 'A' || text[0] == 'P'))
        return 2;
    if (len < 3 || (text[0] != 'U' && text[0] != 'G'))
        return 0;
    return memcmp(text, "UTC", 3) == 0 || memcmp(text, "GMT", 3) == 0 ? 3 : 0;
}

static size_t offset_zone_length(const char *text, size_t len)
{
    static const char *const zones[] = { "+00:00", "-00:00", "+0000", "-0000" };
    size_t got = 0;

    for (size_t i = 0; i < sizeof zones / sizeof zones[0] && got == 0; i++)
        got = shape_length(text, len, zones[i]);
    return got;
}

static size_t spelled_zone_length(const char *text, size_t len)
{
    size_t got = is_letter(text[0]) ? zone_name_length(text, len) : offset_zone_length(text, len);

    return got < len && is_letter(text[got]) ? 0 : got;
}

/* "Z", "+0200", "+02:00", " +0200", " UTC", " PM" ...; 0: there is none. Nearly all stamps end without one.
 */
static inline size_t zone_length(const char *text, size_t len)
{
    size_t at, got;

    if (len < 2)
        return len > 0 && text[0] == 'Z';
    if (text[0] == 'Z')
        return 1;
    at = text[0] == ' ';
    if (text[at] == '+' || text[at] == '-' ? at + 1 == len || !is_digit(text[at + 1])
                                           : text[at] < 'A' || text[at] > 'U')
        return 0;
    got = spelled_zone_length(text + at, len - at);
    return got > 0 ? at + got : 0;
}

/* A stamp ends where a word would: "2026-01-31 23:59:597" is none. */
static inline size_t whole(const char *text, size_t len, size_t at)
{
    return at < len && (is_digit(text[at]) || is_letter(text[at])) ? 0 : at;
}

static inline size_t iso_length(const char *text, size_t len)
{
    size_t at = 19;

    if (len < at || (text[10] != ' ' && text[10] != 'T') || !fits_date(text) || !fits_time(text + 11))
        return 0;
    if (at < len) {
        at += fraction_length(text + at, len - at);
        at += zone_length(text + at, len - at);
    }
    return whole(text, len, at);
}

/* Dates of two digits and more, by what stands behind these; the longer before those that they begin like. */
static const char *const slashed[] = { "00/00/0000", "00/AAA/0000", "00/00/00", "00/00", NULL };
static const char *const dashed[] = { "00-00-0000", "00-AAA-0000", "00-00-00", "00-00", NULL };
static const char *const dotted[] = { "00.00.0000", NULL };
static const char *const spaced[] = { "00 AAA 0000", NULL };

static size_t first_length(const char *text, size_t len, const char *const *shapes)
{
    size_t got = 0;

    for (; *shapes && got == 0; shapes++)
        got = shape_length(text, len, *shapes);
    return got;
}

static size_t day_first_length(const char *text, size_t len)
{
    switch (len > 2 ? text[2] : '\0') {
    case '/':
        return first_length(text, len, slashed);
    case '-':
        return first_length(text, len, dashed);
    case '.':
        return first_length(text, len, dotted);
    case ' ':
        return first_length(text, len, spaced);
    default:
        return 0;
    }
}

/* "2026/01/31", and with dots or dashes. */
static size_t year_first_length(const char *text, size_t len)
{
    static const char between[] = "/.-";

    if (len < 10 || !memchr(between, text[4], sizeof between - 1) || text[7] != text[4])
        return 0;
    return is_digit(text[5]) && is_digit(text[6]) && is_digit(text[8]) && is_digit(text[9]) ? 10 : 0;
}

static uint32_t three(const char *text)
{
    return (uint32_t)(unsigned char)text[0] << 16 | (uint32_t)(unsigned char)text[1] << 8 |
           (uint32_t)(unsigned char)text[2];
}

#define NAME(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

static bool is_month(const char *name)
{
    switch (three(name)) {
    case NAME('J', 'a', 'n'):
    case NAME('F', 'e', 'b'):
    case NAME('M', 'a', 'r'):
    case NAME('A', 'p', 'r'):
    case NAME('M', 'a', 'y'):
    case NAME('J', 'u', 'n'):
    case NAME('J', 'u', 'l'):
    case NAME('A', 'u', 'g'):
    case NAME('S', 'e', 'p'):
    case NAME('O', 'c', 't'):
    case NAME('N', 'o', 'v'):
    case NAME('D', 'e', 'c'):
        return true;
    default:
        return false;
    }
}

static bool is_weekday(const char *name)
{
    switch (three(name)) {
    case NAME('M', 'o', 'n'):
    case NAME('T', 'u', 'e'):
    case NAME('W', 'e', 'd'):
    case NAME('T', 'h', 'u'):
    case NAME('F', 'r', 'i'):
    case NAME('S', 'a', 't'):
    case NAME('S', 'u', 'n'):
        return true;
    default:
        return false;
    }
}
#undef NAME

/* "Jan 31", "Jan  1", "Jan 1", "Sun Jan 31", "Sun, 31 Jan 2026". */
static size_t named_date_length(const char *text, size_t len)
{
    /* Words that have the shape of a month are many; months are few. */
    if (len < 6 || (text[3] != ' ' && text[3] != ',') || (!is_month(text) && !is_weekday(text)))
        return 0;
    if (text[3] == ',')
        return shape_length(text, len, "AAA, 00 AAA 0000");
    if (is_digit(text[4]) || text[4] == ' ')
        return is_digit(text[5]) ? 6 : is_digit(text[4]) ? 5 : 0;
    if (len < 10 || !is_letter(text[4]) || !is_letter(text[5]) || !is_letter(text[6]) || text[7] != ' ')
        return 0;
    return (is_digit(text[8]) || text[8] == ' ') && is_digit(text[9]) ? 10 : 0;
}

static size_t date_length(const char *text, size_t len)
{
    switch (digits_length(text, len < 9 ? len : 9)) {
    case 0:
        return named_date_length(text, len);
    case 2:
        return day_first_length(text, len);
    case 4:
        return year_first_length(text, len);
    case 6:
        return 6;
    case 8:
        return 8;
    default:
        return 0;
    }
}

/* "23:59:59", "23:59", "9:59:59", and for dates that are digits alone "235959". */
static size_t clock_length(const char *text, size_t len)
{
    if (len >= 8 && fits_time(text))
        return 8;
    switch (digits_length(text, len < 6 ? len : 6)) {
    case 1:
        return shape_length(text, len, "0:00:00");
    case 2:
        return shape_length(text, len, "00:00");
    case 6:
        return 6;
    default:
        return 0;
    }
}

/* The rest behind a date: a time, and in ctime the year. */
static size_t time_length(const char *text, size_t len)
{
    size_t at = clock_length(text, len);

    if (at == 0)
        return 0;
    at += fraction_length(text + at, len - at);
    if (len - at > 5 && text[at + 5] == ']')
        at += shape_length(text + at, len - at, " 0000"); /* elsewhere such a number is a field of its own */
    return at + zone_length(text + at, len - at);
}

/* Seconds since 1970 with or without a fraction, or milliseconds: of this century's first half. */
static size_t epoch_length(const char *text, size_t len)
{
    size_t digits = digits_length(text, len);

    if ((digits != 10 && digits != 13) || (text[0] != '1' && text[0] != '2'))
        return 0;
    return whole(text, len, digits + (digits == 10 ? fraction_length(text + digits, len - digits) : 0));
}

static size_t other_length(const char *text, size_t len)
{
    size_t at = date_length(text, len), rest;

    if (at > 0 && len - at > 4 && memcmp(text + at, " at ", 4) == 0) /* loguru's manual has it so */
        at += 3;
    if (at > 0 && at + 1 < len &&
        (text[at] == ' ' || text[at] == 'T' || text[at] == ':' || text[at] == '_')) {
        rest = time_length(text + at + 1, len - at - 1);
        if (rest > 0)
            return whole(text, len, at + 1 + rest);
    }
    if (!is_digit(text[0]))
        return 0;
    if (len >= 8 && fits_time(text)) {
        at = 8 + fraction_length(text + 8, len - 8);
        return whole(text, len, at + zone_length(text + at, len - at));
    }
    return epoch_length(text, len);
}

size_t lb_stamp_length(const char *text, size_t len)
{
    size_t iso;

    if (len < 8 || (!is_digit(text[0]) && (text[0] < 'A' || text[0] > 'W')))
        return 0;
    if (!is_digit(text[0]) && text[3] != ' ' && text[3] != ',')
        return 0;
    iso = iso_length(text, len);
    return iso ? iso : other_length(text, len);
}

size_t lb_stamp_rfc3164_length(const char *text, size_t len)
{
    static const char *const shapes[] = { "AAA _0 00:00:00", "AAA 0 00:00:00", "AAA _0 0000 00:00:00",
                                          "AAA 0 0000 00:00:00" };
    size_t got = 0;

    if (len < 14 || !is_month(text))
        return 0;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && got == 0; i++)
        got = shape_length(text, len, shapes[i]);
    return got > 0 ? got + fraction_length(text + got, len - got) : 0;
}

static int64_t number(const char *text, size_t digits)
{
    int64_t value = 0;

    for (size_t i = 0; i < digits; i++)
        value = value * 10 + text[i] - '0';
    return value;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && is_leap);
}

/* Seconds that an offset is ahead of UTC. Returns its length, 0: it is none. */
static size_t offset_length(const char *text, size_t len, int64_t *ret_ahead_s)
{
    int64_t hours, minutes;

    *ret_ahead_s = 0;
    if (len > 0 && text[0] == 'Z')
        return 1;
    if (!shape_length(text, len, "+00:00") && !shape_length(text, len, "-00:00"))
        return 0;
    hours = number(text + 1, 2);
    minutes = number(text + 4, 2);
    if (hours > 23 || minutes > 59)
        return 0;
    *ret_ahead_s = (hours * 60 + minutes) * (text[0] == '-' ? -60 : 60);
    return 6;
}

size_t lb_stamp_read_rfc3339(const char *text, size_t len, uint64_t *ret_ms)
{
    int64_t year, month, day, hour, minute, second, ahead_s, ms = 0;
    size_t at = 19, part;

    if (len <= at || text[10] != 'T' || !fits_date(text) || !fits_time(text + 11))
        return 0;
    year = number(text, 4), month = number(text + 5, 2), day = number(text + 8, 2);
    hour = number(text + 11, 2), minute = number(text + 14, 2), second = number(text + 17, 2);
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return 0;
    if (text[at] == '.') {
        part = digits_length(text + at + 1, len - at - 1);
        if (part < 1 || part > 9)
            return 0;
        for (size_t i = 1; i <= 3; i++)
            ms = ms * 10 + (i <= part ? text[at + i] - '0' : 0);
        at += 1 + part;
    }
    part = offset_length(text + at, len - at, &ahead_s);
    if (part == 0)
        return 0;
    ms += (lb_calendar_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - ahead_s) * 1000;
    *ret_ms = ms > 0 ? (uint64_t)ms : 0;
    return at + part;
}
