/* SPDX-License-Identifier: MIT */
/* A status, read. In: JSON that an agent wrote, of this version or of another. Out: numbers and texts of
 * bounded length. Always true: what is not there is zero, and a text that is too long is empty. */
#include "agent/offline/top_status.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_scan.h"

static bool is(const struct lb_json_member *member, const char *key)
{
    return member->key_len == strlen(key) && memcmp(member->key, key, member->key_len) == 0;
}

static void text(const struct lb_json_member *member, char *to, size_t size)
{
    ssize_t len =
        member->kind == LB_JSON_STRING ? lb_json_unescape(to, size - 1, member->value, member->value_len) : 0;

    to[len > 0 ? len : 0] = '\0';
}

/* A number that is there, or what stands for "null". */
static double real(const struct lb_json_member *member, double otherwise)
{
    char digits[40], *end;
    double value;

    if (member->kind != LB_JSON_WORD || member->value_len >= sizeof digits)
        return otherwise;
    memcpy(digits, member->value, member->value_len);
    digits[member->value_len] = '\0';
    value = strtod(digits, &end);
    return end == digits || value != value ? otherwise : value;
}

static uint64_t whole(const struct lb_json_member *member)
{
    uint64_t number = 0;

    if (member->kind != LB_JSON_WORD)
        return 0;
    for (size_t i = 0; i < member->value_len && member->value[i] >= '0' && member->value[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(member->value[i] - '0');
    return number;
}

/* Into the member if it is an object: then the members within are next. */
static bool enter(struct lb_json_scan *scan, const struct lb_json_member *member)
{
    if (member->kind != LB_JSON_OBJECT)
        return false;
    lb_json_scan_open(scan);
    return true;
}

static void read_quota(struct lb_json_scan *scan, const struct lb_json_member *at, struct lb_top_quota *quota)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    quota->is_on = true;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "window"))
            text(&member, quota->window, sizeof quota->window);
        else if (is(&member, "limit"))
            quota->limit = whole(&member);
        else if (is(&member, "left"))
            quota->left = whole(&member);
        else if (is(&member, "ends_s"))
            quota->ends_s = whole(&member);
        else if (is(&member, "step"))
            quota->step = (unsigned)whole(&member);
    }
}

/* ---- books ---- */

static void read_sum(struct lb_json_scan *scan, const struct lb_json_member *at, uint64_t *lines,
                     uint64_t *bytes)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "lines"))
            *lines = whole(&member);
        else if (is(&member, "bytes"))
            *bytes = whole(&member);
    }
}

/* Of what was dropped, the lines that nobody meant to drop. */
static uint64_t read_losses(struct lb_json_scan *scan, const struct lb_json_member *at)
{
    uint64_t lost = 0;
    struct lb_json_member member;

    if (!enter(scan, at))
        return 0;
    while (lb_json_scan_next(scan, &member)) {
        bool counts = is(&member, "overload") || is(&member, "client") || is(&member, "lost");
        uint64_t lines = 0, bytes = 0;

        read_sum(scan, &member, &lines, &bytes);
        lost += counts ? lines : 0;
    }
    return lost;
}

static void read_book(struct lb_json_scan *scan, const struct lb_json_member *at, struct lb_top_book *book)
{
    uint64_t shed = 0, rejected = 0, lost = 0, bytes;
    const struct {
        const char *name;
        uint64_t *lines, *bytes;
    } rows[] = {
        { "in", &book->in, &book->in_bytes },
        { "queued", &book->queued, &bytes },
        { "held", &book->held, &bytes },
        { "dropped", &book->dropped, &bytes },
        { "pending", &book->pending, &bytes },
        { "delivered", &book->delivered, &bytes },
        { "shed", &shed, &bytes },
        { "rejected", &rejected, &bytes },
    };
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "dropped_by"))
            lost = read_losses(scan, &member);
        else if (is(&member, "quota"))
            read_quota(scan, &member, &book->quota);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (is(&member, rows[i].name))
                read_sum(scan, &member, rows[i].lines, rows[i].bytes);
    }
    book->lost = shed + rejected + lost;
    book->suppressed = book->held + (book->dropped > lost ? book->dropped - lost : 0);
}

static void read_services(struct lb_json_scan *scan, const struct lb_json_member *at,
                          struct lb_top_status *status)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        struct lb_top_book *book = &status->service[status->services];
        ssize_t len;

        if (status->services == LB_TOP_SERVICES)
            continue;
        len = lb_json_unescape(book->name, sizeof book->name - 1, member.key, member.key_len);
        if (len <= 0)
            continue;
        book->name[len] = '\0';
        read_book(scan, &member, book);
        status->services++;
    }
}

static void read_books(struct lb_json_scan *scan, const struct lb_json_member *at,
                       struct lb_top_status *status)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "all"))
            read_book(scan, &member, &status->all);
        else if (is(&member, "services"))
            read_services(scan, &member, status);
    }
}

/* ---- the rest ---- */

static void read_sink(struct lb_json_scan *scan, struct lb_top_sink *sink)
{
    struct lb_json_member member;

    sink->last_delivery_s = sink->next_try_s = -1;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "name"))
            text(&member, sink->name, sizeof sink->name);
        else if (is(&member, "type"))
            text(&member, sink->type, sizeof sink->type);
        else if (is(&member, "state"))
            text(&member, sink->state, sizeof sink->state);
        else if (is(&member, "last_error"))
            text(&member, sink->last_error, sizeof sink->last_error);
        else if (is(&member, "last_delivery_s"))
            sink->last_delivery_s = real(&member, -1);
        else if (is(&member, "next_try_s"))
            sink->next_try_s = real(&member, -1);
        else if (is(&member, "wire_bytes"))
            sink->wire_bytes = whole(&member);
        else if (is(&member, "wire_bytes_today")) {
            sink->has_today = real(&member, -1) >= 0;
            sink->wire_bytes_today = whole(&member);
        }
    }
}

/* An array of objects: each is scanned as a text that begins with it. */
static void read_sinks(const struct lb_json_scan *scan, const struct lb_json_member *at,
                       struct lb_top_status *status)
{
    const char *from = at->value, *end = scan->end;
    struct lb_json_scan one;

    if (at->kind != LB_JSON_ARRAY)
        return;
    while (status->sinks < LB_TOP_SINKS && lb_json_scan_begin(&one, from + 1, (size_t)(end - from - 1))) {
        read_sink(&one, &status->sink[status->sinks++]);
        from = one.at;
        while (from < end && (*from == ' ' || *from == '\n'))
            from++;
        if (one.is_broken || from == end || *from != ',')
            return;
    }
}

static void read_fill(struct lb_json_scan *scan, const struct lb_json_member *at, struct lb_top_fill *fill,
                      char *id, size_t id_size)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    fill->is_there = true;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "size"))
            fill->size = whole(&member);
        else if (is(&member, "used"))
            fill->used = whole(&member);
        else if (is(&member, "free")) /* staging tells what is left, behind its size */
            fill->used = fill->size - whole(&member);
        else if (is(&member, "id") && id)
            text(&member, id, id_size);
    }
    if (fill->used > fill->size)
        fill->used = fill->size;
}

static void read_clock(struct lb_json_scan *scan, const struct lb_json_member *at,
                       struct lb_top_status *status)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "boot_ms"))
            status->boot_ms = whole(&member);
        else if (is(&member, "wall_ms"))
            status->wall_ms = whole(&member);
        else if (is(&member, "state"))
            text(&member, status->clock_state, sizeof status->clock_state);
    }
}

static void read_short(struct lb_json_scan *scan, const struct lb_json_member *at,
                       struct lb_top_status *status)
{
    struct lb_json_member member;

    if (!enter(scan, at))
        return;
    while (lb_json_scan_next(scan, &member)) {
        if (is(&member, "quota"))
            read_quota(scan, &member, &status->quota);
        else if (is(&member, "step"))
            status->pressure = (unsigned)whole(&member);
    }
}

static void read_member(struct lb_json_scan *scan, const struct lb_json_member *member,
                        struct lb_top_status *status)
{
    const struct {
        const char *name;
        struct lb_top_fill *fill;
    } fills[] = {
        { "ring", &status->ring },
        { "held", &status->held },
        { "staging", &status->staging },
        { "backlog", &status->backlog },
    };

    if (is(member, "version"))
        text(member, status->version, sizeof status->version);
    else if (is(member, "pid"))
        status->pid = whole(member);
    else if (is(member, "uptime_s"))
        status->uptime_s = real(member, 0);
    else if (is(member, "hostname"))
        text(member, status->hostname, sizeof status->hostname);
    else if (is(member, "books"))
        read_books(scan, member, status);
    else if (is(member, "sinks"))
        read_sinks(scan, member, status);
    else if (is(member, "clock"))
        read_clock(scan, member, status);
    else if (is(member, "network") || is(member, "pressure"))
        read_short(scan, member, status);
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++)
        if (is(member, fills[i].name))
            read_fill(scan, member, fills[i].fill, i == 0 ? status->ring_id : NULL, sizeof status->ring_id);
}

bool lb_top_status_read(const char *json, size_t len, struct lb_top_status *ret_status)
{
    struct lb_json_member member;
    struct lb_json_scan scan;

    memset(ret_status, 0, sizeof *ret_status);
    if (!lb_json_scan_begin(&scan, json, len))
        return false;
    while (lb_json_scan_next(&scan, &member))
        read_member(&scan, &member, ret_status);
    return !scan.is_broken && ret_status->pid > 0;
}
