/* SPDX-License-Identifier: MIT */
/*
 * The past, in bounded room. In: looks, as they come. Out: minutes and buckets. Always true: what a look told
 * is in one minute and in one bucket, that of its time; a place that is full loses its oldest.
 */
#include "agent/wear/history.h"

#include <string.h>

#define NS_PER_S     1000000000ull
#define MINUTE_NS    (60 * NS_PER_S)
#define HOUR_NS      (60 * MINUTE_NS)
#define BUCKET_S_MIN 60

/* ---- places ---- */

static struct lb_history_minute *minute_of(struct lb_history *history, uint64_t now_ns)
{
    struct lb_history_minute *last = history->minutes ? &history->minute[history->minutes - 1] : NULL;

    if (last && now_ns < last->start_ns + MINUTE_NS)
        return last;
    if (history->minutes == LB_HISTORY_MINUTES)
        memmove(&history->minute[0], &history->minute[1],
                (size_t)(--history->minutes) * sizeof history->minute[0]);
    last = &history->minute[history->minutes++];
    memset(last, 0, sizeof *last);
    last->start_ns = now_ns - now_ns % MINUTE_NS;
    last->from_ns = history->noted_ns > 0 ? history->noted_ns : now_ns;
    return last;
}

static struct lb_wear_bucket *bucket_of(struct lb_history *history, uint64_t now_ns)
{
    uint64_t bucket_ns = history->bucket_s * NS_PER_S;
    struct lb_wear_bucket *last = history->buckets ? &history->bucket[history->buckets - 1] : NULL;

    if (last && now_ns < last->start_ns + bucket_ns)
        return last;
    if (history->buckets == LB_WEAR_BUCKETS)
        memmove(&history->bucket[0], &history->bucket[1],
                (size_t)(--history->buckets) * sizeof history->bucket[0]);
    last = &history->bucket[history->buckets++];
    memset(last, 0, sizeof *last);
    last->start_ns = now_ns - now_ns % bucket_ns;
    return last;
}

/* ---- programs that move ---- */

static void move_row(uint32_t (*rows)[LB_WEAR_DISKS], const uint32_t moved[LB_WEAR_PROGRAMS])
{
    uint32_t before[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];

    memcpy(before, rows, sizeof before);
    memset(rows, 0, sizeof before);
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        for (uint32_t disk = 0; moved[i] < LB_WEAR_PROGRAMS && disk < LB_WEAR_DISKS; disk++)
            rows[moved[i]][disk] += before[i][disk];
}

static bool has_moved(const uint32_t moved[LB_WEAR_PROGRAMS])
{
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        if (moved[i] != i && moved[i] != LB_WEAR_NO_PROGRAM)
            return true;
    return false;
}

static void move_programs(struct lb_history *history, const uint32_t moved[LB_WEAR_PROGRAMS])
{
    if (!has_moved(moved))
        return;
    move_row(history->told_kib, moved);
    for (uint32_t i = 0; i < history->minutes; i++)
        move_row(history->minute[i].program_kib, moved);
    for (uint32_t i = 0; i < history->buckets; i++)
        move_row(history->bucket[i].program_kib, moved);
}

/* ---- disks that change ---- */

static void forget_disk(struct lb_history *history, uint32_t disk)
{
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        history->told_kib[i][disk] = 0; /* programs' sums of it have begun anew as well */
    for (uint32_t at = 0; at < history->minutes; at++) {
        history->minute[at].disk_bytes[disk] = 0;
        for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
            history->minute[at].program_kib[i][disk] = 0;
    }
    for (uint32_t at = 0; at < history->buckets; at++) {
        history->bucket[at].disk_bytes[disk] = 0;
        for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
            history->bucket[at].program_kib[i][disk] = 0;
    }
}

static void follow_disks(struct lb_history *history, const struct lb_wear_view *view, uint64_t now_ns)
{
    for (uint32_t i = 0; i < view->disks; i++) {
        const struct lb_disk *disk = &view->disk[i];

        if (history->medium[i] == disk->medium && strcmp(history->name[i], disk->name) == 0)
            continue;
        forget_disk(history, i);
        memcpy(history->name[i], disk->name, sizeof history->name[i]);
        history->medium[i] = disk->medium;
        history->since_ns[i] = now_ns;
    }
}

/* ---- notes ---- */

static void note_disks(const struct lb_wear_view *view, struct lb_history_minute *minute,
                       struct lb_wear_bucket *bucket)
{
    for (uint32_t disk = 0; disk < view->disks; disk++) {
        minute->disk_bytes[disk] += view->disk[disk].delta_bytes;
        bucket->disk_bytes[disk] += view->disk[disk].delta_bytes;
    }
}

static void note_programs(struct lb_history *history, const struct lb_wear_view *view,
                          struct lb_history_minute *minute, struct lb_wear_bucket *bucket)
{
    for (uint32_t i = 0; i < view->programs; i++)
        for (uint32_t disk = 0; disk < view->disks; disk++) {
            /* Modulo 2^32, so sums beyond 4 TiB do no harm. */
            uint32_t kib = (uint32_t)(view->program[i].bytes[disk] / 1024),
                     more = kib - history->told_kib[i][disk];

            history->told_kib[i][disk] = kib;
            minute->program_kib[i][disk] += more;
            bucket->program_kib[i][disk] += more;
        }
}

/* Lines that were held and are given up take the sums back a little. */
static uint64_t since(uint64_t now, uint64_t *told)
{
    uint64_t before = *told;

    *told = now;
    return now > before ? now - before : 0;
}

static void note_books(struct lb_history *history, const struct lb_wear_books *books,
                       struct lb_wear_bucket *bucket)
{
    bool is_first = history->noted_ns == 0;
    uint64_t in = since(books->lines_in, &history->told_in),
             delivered = since(books->lines_delivered, &history->told_delivered),
             lost = since(books->lines_lost, &history->told_lost),
             bytes = since(books->body_bytes, &history->told_body_bytes);

    bucket->backlog_permille = books->backlog_permille;
    bucket->ring_permille = books->ring_permille;
    bucket->was_away |= books->is_away;
    if (is_first) /* those are of before we looked */
        return;
    bucket->lines_in += in;
    bucket->lines_delivered += delivered;
    bucket->lines_lost += lost;
    bucket->body_bytes += bytes;
}

void lb_history_note(struct lb_history *history, const struct lb_wear_view *view,
                     const uint32_t moved[LB_WEAR_PROGRAMS], const struct lb_wear_books *books,
                     uint64_t history_s, uint64_t now_ns)
{
    uint64_t bucket_s = history_s / LB_WEAR_BUCKETS;
    struct lb_history_minute *minute;
    struct lb_wear_bucket *bucket;

    bucket_s = bucket_s > BUCKET_S_MIN ? bucket_s : BUCKET_S_MIN;
    move_programs(history, moved);
    follow_disks(history, view, now_ns);
    if (bucket_s != history->bucket_s) {
        history->bucket_s = bucket_s;
        history->buckets = 0;
    }
    minute = minute_of(history, now_ns);
    bucket = bucket_of(history, now_ns);
    note_disks(view, minute, bucket);
    note_programs(history, view, minute, bucket);
    note_books(history, books, bucket);
    /* All of it, as with the bytes, also where it began in the bucket before. By whole seconds of the clock:
     * looks that are a little more than a second apart would lose that little each time. */
    if (history->noted_ns > 0)
        bucket->covered_s += (uint32_t)(now_ns / NS_PER_S - history->noted_ns / NS_PER_S);
    history->noted_ns = now_ns;
}

void lb_history_show(const struct lb_history *history, struct lb_wear_view *view)
{
    view->buckets = history->buckets;
    view->bucket_s = history->bucket_s;
    memcpy(view->bucket, history->bucket, history->buckets * sizeof history->bucket[0]);
}

/* ---- sums ---- */

/* Which part of a minute's bytes is of the last hour, 0 to 1: they are taken to be spread evenly. */
static double part_of_the_hour(const struct lb_history *history, uint32_t minute)
{
    uint64_t from_ns = history->minute[minute].from_ns,
             to_ns = minute + 1 < history->minutes ? history->minute[minute + 1].from_ns : history->noted_ns,
             hour_ns = history->noted_ns > HOUR_NS ? history->noted_ns - HOUR_NS : 0;

    if (from_ns >= hour_ns)
        return 1;
    return to_ns > hour_ns ? (double)(to_ns - hour_ns) / (double)(to_ns - from_ns) : 0;
}

uint64_t lb_history_hour(const struct lb_history *history, uint32_t disk)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < history->minutes; i++)
        sum += (uint64_t)((double)history->minute[i].disk_bytes[disk] * part_of_the_hour(history, i));
    return sum;
}

uint64_t lb_history_program_hour(const struct lb_history *history, uint32_t program, uint32_t disk)
{
    uint32_t first = disk < LB_WEAR_DISKS ? disk : 0, end = disk < LB_WEAR_DISKS ? disk + 1 : LB_WEAR_DISKS;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < history->minutes; i++) {
        uint64_t kib = 0;

        for (uint32_t at = first; at < end; at++)
            kib += history->minute[i].program_kib[program][at];
        if (kib > 0)
            sum += (uint64_t)((double)kib * 1024 * part_of_the_hour(history, i));
    }
    return sum;
}
