/* SPDX-License-Identifier: MIT */
/*
 * A sign of life. In: the beat, the books, what the board tells. Out: a heartbeat record in the ring. Always
 * true: it tells the books since the last one that was told.
 */
#include "agent/capture/heartbeat.h"

#include <glob.h>
#include <stdlib.h>

#include "agent/capture/parts.h"
#include "agent/capture/shortage_parts.h"
#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/device.h"
#include "common/level.h"
#include "common/read_file.h"

#define SILENCE_PART 5 /* of the interval */
#define SILENCE_MAX  (60 * LB_NS_PER_S)

/* ---- the board ---- */

static const char celsius_file[] = "/sys/class/thermal/thermal_zone0/temp";
/* The Raspberry Pi's firmware: bit 0 undervoltage now, bit 16 since boot (raspberrypi.com, get_throttled). */
static const char throttled_glob[] = "/sys/devices/platform/soc*/soc*:firmware/get_throttled";

static uint64_t read_number(const char *path, int base)
{
    char text[64] = "", *end = text;
    size_t len;
    long long number;

    if (lb_read_file(path, text, sizeof text - 1, &len) < 0)
        return LB_HEARTBEAT_UNKNOWN;
    number = strtoll(text, &end, base);
    return end == text ? LB_HEARTBEAT_UNKNOWN : (uint64_t)number;
}

static void on_board_work(struct lb_card_job *job)
{
    struct lb_heart *heart = job->arg;
    glob_t found;

    lb_store(&heart->celsius, read_number(celsius_file, 10));
    if (glob(throttled_glob, 0, NULL, &found) != 0)
        return;
    lb_store(&heart->throttled, read_number(found.gl_pathv[0], 16));
    globfree(&found);
}

static void on_board_done(struct lb_card_job *job)
{
    struct lb_heart *heart = job->arg;

    heart->is_job_out = false;
}

/* ---- the record ---- */

static struct lb_heartbeat_books read_books(const struct lb_capture *capture, uint64_t *ret_held)
{
    const struct lb_state *state = capture->state;
    struct lb_heartbeat_books sum = { 0 };

    *ret_held = 0;
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && state->file->name[row].len > 0; row++) {
        const uint64_t *slow = &state->slow.region[LB_SLOW_BOOKS].shared[row * LB_BOOK_SLOW_WORDS];

        sum.queued +=
            lb_commit_get(&state->fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES);
        for (unsigned why = 0; why < LB_DROP_COUNT; why++) {
            struct lb_drop_place place = lb_drop_place(row, why);

            sum.dropped += lb_commit_get(&state->fast, place.region, place.word);
        }
        for (unsigned why = 0; why < LB_HELD_REASONS; why++)
            *ret_held += lb_commit_get(&state->fast, LB_FAST_THROTTLE,
                                       row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * why);
        sum.delivered += lb_load(slow + LB_BOOK_DELIVERED);
        sum.lost += lb_load(slow + LB_BOOK_SHED) + lb_load(slow + LB_BOOK_REJECTED);
    }
    sum.in = sum.queued + *ret_held + sum.dropped;
    return sum;
}

static uint64_t waited_ms(const struct lb_capture *capture, uint64_t now_ns)
{
    uint64_t tail = lb_ring_tail(capture->ring), head = lb_ring_head(capture->ring);
    const struct lb_record *oldest = tail < head ? lb_ring_at(capture->ring, tail, head) : NULL;

    uint64_t first_ns = oldest ? oldest->boot_ns : now_ns,
             moved_ns = lb_link_get(&capture->link->backlog_first_ns);

    if (moved_ns > 0 && moved_ns < first_ns)
        first_ns = moved_ns;
    return first_ns < now_ns ? (now_ns - first_ns) / LB_NS_PER_MS : 0;
}

/* Lines taken since the last one; they may go back by what was held and is given up. */
static uint64_t since(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static bool put(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_heart *heart = &capture->heart;
    uint64_t held, delivered_ns = lb_link_get(&capture->link->last_delivery_ns);
    struct lb_heartbeat_books books = read_books(capture, &held);
    const struct lb_ring *ring = capture->ring;
    struct lb_heartbeat body = {
        .uptime_s = (now_ns - capture->started_ns) / LB_NS_PER_S,
        .config = capture->config->hash,
        .ring = ring->id,
        .fill = (uint64_t)(lb_shortage_fill(capture) * 1000),
        .oldest_ms = waited_ms(capture, now_ns),
        .delivery_s = delivered_ns ? since(now_ns, delivered_ns) / LB_NS_PER_S : UINT64_MAX,
        .in = since(books.in, heart->told.in),
        .queued = since(books.queued, heart->told.queued),
        .held = held,
        .dropped = since(books.dropped, heart->told.dropped),
        .delivered = since(books.delivered, heart->told.delivered),
        .lost = since(books.lost, heart->told.lost),
        .celsius = lb_load(&heart->celsius),
        .throttled = lb_load(&heart->throttled),
    };
    struct lb_own own = {
        .kind = LB_KIND_HEARTBEAT, .severity = LB_LEVEL_INFO, .body = &body, .body_len = sizeof body
    };

    if (lb_own_put(capture, &own, now_ns) < 0)
        return false;
    heart->told = books;
    return true;
}

/* ---- the beat ---- */

static uint64_t next_beat_ns(const struct lb_heart *heart, uint64_t interval_ns, uint64_t now_ns)
{
    uint64_t into = (now_ns + heart->phase % interval_ns) % interval_ns;

    return now_ns + interval_ns - into;
}

static void told(struct lb_capture *capture, uint64_t now_ns)
{
    uint64_t interval_ns = capture->config->heartbeat_ms * LB_NS_PER_MS;

    capture->heart.is_due = false;
    capture->heart.timer.due_ns = interval_ns ? next_beat_ns(&capture->heart, interval_ns, now_ns) : LB_NEVER;
}

static void become_due(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_heart *heart = &capture->heart;
    uint64_t silence_ns = capture->config->heartbeat_ms * LB_NS_PER_MS / SILENCE_PART;

    heart->is_due = true;
    heart->timer.due_ns = now_ns + (silence_ns < SILENCE_MAX ? silence_ns : SILENCE_MAX);
    if (capture->shortage.card && !heart->is_job_out)
        heart->is_job_out = lb_card_submit(capture->shortage.card, LB_CARD_FAST, &heart->job) == 0;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;

    if (!capture->heart.is_due) {
        become_due(capture, now_ns);
        return;
    }
    put(capture, now_ns); /* where there is no room the next beat comes all the same */
    told(capture, now_ns);
    lb_turns_publish(capture, false);
}

void lb_heart_ride(struct lb_capture *capture, uint64_t now_ns)
{
    /* What the board tells is worth a moment: it comes with one of the next turns. */
    if (capture->heart.is_due && !capture->heart.is_job_out && put(capture, now_ns))
        told(capture, now_ns);
}

void lb_heart_reload(struct lb_capture *capture)
{
    told(capture, capture->loop->now_ns);
}

void lb_heart_start(struct lb_capture *capture)
{
    struct lb_heart *heart = &capture->heart;
    uint64_t held;

    heart->capture = capture;
    heart->phase = lb_device_phase();
    heart->celsius = heart->throttled = LB_HEARTBEAT_UNKNOWN;
    heart->job = (struct lb_card_job) { on_board_work, on_board_done, heart };
    heart->timer = (struct lb_timer) { LB_NEVER, on_timer, capture, NULL };
    heart->told = read_books(capture, &held);
    lb_loop_add_timer(capture->loop, &heart->timer);
    told(capture, capture->loop->now_ns);
}
