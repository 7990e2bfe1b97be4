/* SPDX-License-Identifier: MIT */
/*
 * Numbers with units. In: text from the INI or an argument. Out: a number in
 * the smallest unit, or text again. Always true: nothing is accepted that is
 * not written down in full, and no result has wrapped around.
 */
#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Both tables go from small to large; the first name of a factor is the one that is printed. */
static const struct unit size_units[] = {
    { "K", 1ull << 10 }, { "Ki", 1ull << 10 }, { "KiB", 1ull << 10 }, { "KB", 1ull << 10 },
    { "M", 1ull << 20 }, { "Mi", 1ull << 20 }, { "MiB", 1ull << 20 }, { "MB", 1ull << 20 },
    { "G", 1ull << 30 }, { "Gi", 1ull << 30 }, { "GiB", 1ull << 30 }, { "GB", 1ull << 30 },
    { "T", 1ull << 40 }, { "Ti", 1ull << 40 }, { "TiB", 1ull << 40 }, { "TB", 1ull << 40 },
};

static const struct unit duration_units[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60 * 1000 },
    { "h", 3600 * 1000 },
    { "d", 24 * 3600 * 1000 },
    { "y", 365ull * 24 * 3600 * 1000 },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Leading decimal digits. On success *ret_rest is what follows them. */
static int read_digits(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    uint64_t number = 0;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return -ERANGE;
    *ret_number = number;
    *ret_rest = text;
    return 0;
}

static int read_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *ret_number)
{
    uint64_t number;
    const char *rest;
    int rc = read_digits(text, &number, &rest);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &number))
            return -ERANGE;
        *ret_number = number;
        return 0;
    }
    return -EINVAL;
}

int lb_units_number(const char *text, uint64_t *ret_number)
{
    uint64_t number;
    const char *rest;
    int rc = read_digits(text, &number, &rest);

    if (rc != 0)
        return rc;
    if (*rest != '\0')
        return -EINVAL;
    *ret_number = number;
    return 0;
}

int lb_units_size(const char *text, uint64_t *ret_bytes)
{
    int rc = lb_units_number(text, ret_bytes);

    return rc == -EINVAL ? read_with_unit(text, size_units, COUNT(size_units), ret_bytes) : rc;
}

int lb_units_duration(const char *text, uint64_t *ret_ms)
{
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    return read_with_unit(text, duration_units, COUNT(duration_units), ret_ms);
}

static const struct unit rate_units[] = {
    { "s", 86400 }, { "min", 1440 }, { "m", 1440 }, { "h", 24 }, { "day", 1 }, { "d", 1 },
};

int lb_units_rate(const char *text, uint64_t *ret_per_day)
{
    const char *slash = strchr(text, '/');
    char amount[32];
    uint64_t number;
    int rc;

    if (!slash || slash == text || (size_t)(slash - text) >= sizeof amount)
        return -EINVAL;
    memcpy(amount, text, (size_t)(slash - text));
    amount[slash - text] = '\0';
    rc = lb_units_size(amount, &number);
    for (size_t i = 0; rc == 0 && i < COUNT(rate_units); i++)
        if (strcmp(slash + 1, rate_units[i].name) == 0)
            return __builtin_mul_overflow(number, rate_units[i].factor, ret_per_day) ? -ERANGE : 0;
    return rc ? rc : -EINVAL;
}

int lb_units_quota(const char *text, struct lb_quota *ret_quota)
{
    const char *slash = strchr(text, '/');
    char amount[32];

    if (!slash || slash == text || (size_t)(slash - text) >= sizeof amount)
        return -EINVAL;
    memcpy(amount, text, (size_t)(slash - text));
    amount[slash - text] = '\0';
    for (int window = 0; window < LB_QUOTA_WINDOWS; window++) {
        if (strcmp(slash + 1, lb_quota_window_name((enum lb_quota_window)window)) != 0)
            continue;
        ret_quota->window = (enum lb_quota_window)window;
        return lb_units_size(amount, &ret_quota->bytes);
    }
    return -EINVAL;
}

int lb_units_share(const char *text, uint64_t *ret_share)
{
    return strncmp(text, "1/", 2) == 0 ? lb_units_number(text + 2, ret_share) : -EINVAL;
}

int lb_units_percent(const char *text, uint64_t *ret_percent)
{
    uint64_t number;
    const char *rest;
    int rc = read_digits(text, &number, &rest);

    if (rc != 0 || strcmp(rest, "%") != 0)
        return rc ? rc : -EINVAL;
    *ret_percent = number;
    return 0;
}

int lb_units_bool(const char *text, bool *ret_value)
{
    bool is_yes = strcmp(text, "yes") == 0;

    if (!is_yes && strcmp(text, "no") != 0)
        return -EINVAL;
    *ret_value = is_yes;
    return 0;
}

/* The largest unit that divides number without rest, and of equals the first; NULL when none does. */
static const struct unit *exact_unit(uint64_t number, const struct unit *units, size_t count)
{
    const struct unit *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (number % units[i].factor == 0 && (!best || units[i].factor > best->factor))
            best = &units[i];
    return best;
}

char *lb_units_print_size(uint64_t bytes, char *buf, size_t size)
{
    const struct unit *unit = bytes ? exact_unit(bytes, size_units, COUNT(size_units)) : NULL;

    snprintf(buf, size, "%" PRIu64 "%s", unit ? bytes / unit->factor : bytes, unit ? unit->name : "");
    return buf;
}

char *lb_units_print_duration(uint64_t ms, char *buf, size_t size)
{
    const struct unit *unit = exact_unit(ms, duration_units, COUNT(duration_units));

    if (ms == 0)
        snprintf(buf, size, "0s");
    else
        snprintf(buf, size, "%" PRIu64 "%s", ms / unit->factor, unit->name);
    return buf;
}

char *lb_units_print_rate(uint64_t per_day, char *buf, size_t size)
{
    const struct unit *unit = exact_unit(per_day, rate_units, COUNT(rate_units));
    char amount[32];

    snprintf(buf, size, "%s/%s", lb_units_print_size(per_day / unit->factor, amount, sizeof amount),
             unit->name);
    return buf;
}

char *lb_units_print_human(uint64_t bytes, char *buf, size_t size)
{
    static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double number = (double)bytes;
    size_t step = 0;

    if (bytes < 1024) {
        snprintf(buf, size, "%" PRIu64 " B", bytes);
        return buf;
    }
    for (number /= 1024; number >= 1023.95 && step + 1 < COUNT(names); step++)
        number /= 1024;
    snprintf(buf, size, "%.1f %s", number, names[step]);
    return buf;
}
