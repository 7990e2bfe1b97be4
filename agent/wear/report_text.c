/* SPDX-License-Identifier: MIT */
/* Words of the report. In: figures, and names that anybody may have chosen. Out: text that is safe in HTML.
 * What is not a plain character never gets through, so the page is well-formed whatever a program is called.
 */
#include "agent/wear/report_text.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"

#define MINUTE_S 60u
#define HOUR_S   3600u
#define DAY_S    86400u
#define YEAR_S   31557600u
#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

char *lb_report_bytes(uint64_t bytes, char *buf)
{
    static const char *const names[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
    uint64_t unit = 1000, tenths;
    unsigned i = 0;

    if (bytes == LB_WEAR_UNKNOWN)
        return strcpy(buf, "not known");
    if (bytes < 1000) {
        snprintf(buf, LB_REPORT_WORD, "%u B", (unsigned)bytes);
        return buf;
    }
    /* 999,950 kB are 1 MB already: what is rounded up must not show four digits. */
    while (i + 1 < sizeof names / sizeof names[0] && bytes / unit * 10 + bytes % unit * 10 / unit >= 9995) {
        unit *= 1000;
        i++;
    }
    tenths = bytes / unit * 10 + (bytes % unit + unit / 20) / (unit / 10);
    if (tenths < 1000 && tenths % 10)
        snprintf(buf, LB_REPORT_WORD, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), names[i]);
    else
        snprintf(buf, LB_REPORT_WORD, "%u %s", (unsigned)(bytes / unit + (bytes % unit * 2 >= unit)),
                 names[i]);
    return buf;
}

char *lb_report_span(uint64_t seconds, char *buf)
{
    unsigned long long s = seconds;

    if (seconds == LB_WEAR_UNKNOWN)
        return strcpy(buf, "not known");
    if (s < MINUTE_S)
        snprintf(buf, LB_REPORT_WORD, "%llu s", s);
    else if (s < HOUR_S)
        snprintf(buf, LB_REPORT_WORD, "%llu min", s / MINUTE_S);
    else if (s < 2 * DAY_S && s % HOUR_S < MINUTE_S)
        snprintf(buf, LB_REPORT_WORD, "%llu h", s / HOUR_S);
    else if (s < 2 * DAY_S)
        snprintf(buf, LB_REPORT_WORD, "%llu h %llu min", s / HOUR_S, s % HOUR_S / MINUTE_S);
    else
        snprintf(buf, LB_REPORT_WORD, "%llu days", s / DAY_S);
    return buf;
}

char *lb_report_life(uint64_t seconds, char *buf)
{
    unsigned long long s = seconds;

    if (seconds == LB_WEAR_UNKNOWN)
        return strcpy(buf, "not known");
    if (s > 100ull * YEAR_S)
        return strcpy(buf, "over 100 years");
    if (s >= 2ull * YEAR_S)
        snprintf(buf, LB_REPORT_WORD, "%llu years", s / YEAR_S);
    else if (s >= YEAR_S / 6)
        snprintf(buf, LB_REPORT_WORD, "%llu months", s / (YEAR_S / 12));
    else if (s >= 2 * DAY_S)
        snprintf(buf, LB_REPORT_WORD, "%llu days", s / DAY_S);
    else
        return lb_report_span(seconds, buf);
    return buf;
}

char *lb_report_count(uint64_t count, char *buf)
{
    char digits[24];
    int len, at = 0;

    if (count == LB_WEAR_UNKNOWN)
        return strcpy(buf, "not known");
    len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}

char *lb_report_share(uint64_t part, uint64_t whole, char *buf)
{
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;

    if (whole == 0)
        return strcpy(buf, "-");
    if (part > 0 && percent < 1)
        return strcpy(buf, "under 1 %");
    snprintf(buf, LB_REPORT_WORD, "%.0f %%", percent);
    return buf;
}

/* ---- moments ---- */

static void wall_of(const struct lb_wear_view *view, uint64_t at_ns, struct tm *ret_tm)
{
    time_t seconds = (time_t)((at_ns + view->wall_offset_ns) / LB_NS_PER_S);

    gmtime_r(&seconds, ret_tm);
}

char *lb_report_moment(const struct lb_wear_view *view, uint64_t at_ns, char *buf)
{
    struct tm tm, sampled;

    if (view->wall_offset_ns) {
        wall_of(view, at_ns, &tm);
        wall_of(view, view->sampled_ns, &sampled);
        strftime(buf, LB_REPORT_WORD,
                 tm.tm_yday == sampled.tm_yday && tm.tm_year == sampled.tm_year ? "%H:%M" : "%d %b %H:%M",
                 &tm);
        return buf;
    }
    if (at_ns >= view->sampled_ns)
        return strcpy(buf, "now");
    lb_report_span((view->sampled_ns - at_ns) / LB_NS_PER_S, buf);
    return strcat(buf, " ago");
}

char *lb_report_stamp(const struct lb_wear_view *view, uint64_t at_ns, char *buf)
{
    struct tm tm;

    if (!view->wall_offset_ns)
        return lb_report_moment(view, at_ns, buf);
    wall_of(view, at_ns, &tm);
    strftime(buf, LB_REPORT_WORD, "%Y-%m-%d %H:%M:%S UTC", &tm);
    return buf;
}

/* ---- texts from outside ---- */

/* Bytes of the character at the front of a text; 0: there is none. */
static size_t character(const unsigned char *text, size_t len, uint32_t *ret_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = text[0] < 0x80             ? 1
                  : (text[0] & 0xe0) == 0xc0 ? 2
                  : (text[0] & 0xf0) == 0xe0 ? 3
                  : (text[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    uint32_t code;

    if (size == 0 || size > len)
        return 0;
    code = size == 1 ? text[0] : text[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return size;
}

/* Controls, marks that turn the direction or break the line, noncharacters. */
static bool is_plain(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return false;
    if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e))
        return false;
    if ((code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code == 0x061c)
        return false;
    return (code & 0xfffe) != 0xfffe && !(code >= 0xfdd0 && code <= 0xfdef);
}

static const char *escape_of(uint32_t code)
{
    switch (code) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* is_markup: what markup is made of is escaped. */
static void write_text(FILE *out, const char *text, size_t size, size_t chars_max, bool is_markup)
{
    size_t len = strnlen(text, size), step;
    size_t chars = 0;

    for (size_t at = 0; at < len; at += step) {
        uint32_t code = 0;

        if (chars++ == chars_max) {
            fputs("\xe2\x80\xa6", out); /* an ellipsis */
            return;
        }
        step = character((const unsigned char *)text + at, len - at, &code);
        if (step == 0 || !is_plain(code)) {
            step = step ? step : 1;
            fputs(REPLACED, out);
        } else if (is_markup && escape_of(code)) {
            fputs(escape_of(code), out);
        } else {
            fwrite(text + at, 1, step, out);
        }
    }
}

void lb_report_text_cut(FILE *out, const char *text, size_t size, size_t chars_max)
{
    write_text(out, text, size, chars_max, true);
}

void lb_report_text(FILE *out, const char *text, size_t size)
{
    write_text(out, text, size, size, true);
}

void lb_report_plain(FILE *out, const char *text, size_t size)
{
    write_text(out, text, size, size, false);
}

void lb_report_value(FILE *out, uint64_t bytes)
{
    char word[LB_REPORT_WORD];

    if (bytes == LB_WEAR_UNKNOWN)
        fputs("not known", out);
    else
        fprintf(out, "<data value=\"%llu\">%s</data>", (unsigned long long)bytes,
                lb_report_bytes(bytes, word));
}

void lb_report_bar(FILE *out, uint64_t bytes, uint64_t whole, const char *css)
{
    double percent = whole ? 100.0 * (double)bytes / (double)whole : 0;

    fputs("<span class=\"bar\">", out);
    if (percent > 0)
        fprintf(out, "<i class=\"%s\" style=\"width:%.1f%%\"></i>", css, percent < 100 ? percent : 100);
    fputs("</span>", out);
}

void lb_report_program(FILE *out, const struct lb_program *program)
{
    lb_report_text(out, program->name, sizeof program->name);
    if (program->unit[0] == '\0')
        return;
    fputs(" <span class=\"unit\">(", out);
    lb_report_text(out, program->unit, sizeof program->unit);
    fputs(")</span>", out);
}
