/* SPDX-License-Identifier: MIT */
/*
 * What the link carries. In: requests that ended, the time. Out: counts by window, and when more may go.
 * Always true: a byte is counted once in all, and at most once for a service; no body begins that would pass
 * the quota.
 */
#include "agent/ship/meter.h"

#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/quota.h"

#define MS_PER_DAY 86400000.0

/* All sinks have one link, and so one count. */
static struct lb_state *counts_of(const struct lb_shipper *shipper)
{
    return shipper->meter_state ? shipper->meter_state : shipper->state;
}

static bool is_beside(const struct lb_shipper *shipper)
{
    return counts_of(shipper) != shipper->state;
}

static uint64_t get(const struct lb_shipper *shipper, uint32_t row, unsigned word)
{
    return lb_commit_get(&counts_of(shipper)->slow, LB_SLOW_METER, row * LB_METER_WORDS + word);
}

static void set(struct lb_shipper *shipper, uint32_t row, unsigned word, uint64_t value)
{
    if (get(shipper, row, word) != value)
        lb_commit_set(&counts_of(shipper)->slow, LB_SLOW_METER, row * LB_METER_WORDS + word, value);
}

static bool is_network(const struct lb_shipper *shipper)
{
    return shipper->sink->transport != LB_TRANSPORT_FILE && shipper->sink->transport != LB_TRANSPORT_NONE;
}

/* ---- windows ---- */

static struct lb_quota_span span_at(const struct lb_shipper *shipper, enum lb_quota_window window,
                                    uint64_t now_ns)
{
    uint64_t offset_ns = get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS);

    return offset_ns ? lb_quota_span_of(window, (now_ns + offset_ns) / LB_NS_PER_MS)
                     : (struct lb_quota_span) { 0 };
}

/* A row's count of a window: begun anew where it is of another one, unless the clock was not known then. */
static void roll(struct lb_shipper *shipper, uint32_t row, unsigned word, uint64_t id)
{
    if (get(shipper, row, word) == id || id == 0)
        return;
    if (get(shipper, row, word) != 0)
        set(shipper, row, word + 1, 0);
    set(shipper, row, word, id);
}

/* Wall time less boot time, as far as anybody vouches for it; 0: nobody does. Returns whether it is another.
 */
static bool note_offset(struct lb_shipper *shipper, uint64_t now_ns)
{
    uint64_t known_ns = get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS), offset_ns = 0;
    int64_t moved_ns;

    if (lb_wall_trust(&shipper->wall, now_ns) != LB_CLOCK_UNKNOWN)
        offset_ns = lb_wall_offset_ns(&shipper->wall);
    moved_ns = (int64_t)(offset_ns - known_ns);
    if ((offset_ns == 0) == (known_ns == 0) && moved_ns <= (int64_t)LB_METER_SLEW_NS &&
        moved_ns >= -(int64_t)LB_METER_SLEW_NS)
        return false;
    set(shipper, LB_METER_MORE, LB_METER_OFFSET_NS, offset_ns);
    return true;
}

void lb_meter_look(struct lb_shipper *shipper, uint64_t now_ns)
{
    bool is_first = get(shipper, LB_METER_MORE, LB_METER_BEGIN_NS) == 0;
    struct lb_quota_span day;

    if (is_beside(shipper))
        return; /* whose count it is looks for all */
    if (!note_offset(shipper, now_ns) && !is_first && now_ns < shipper->meter.day_ends_ns)
        return;
    if (is_first)
        set(shipper, LB_METER_MORE, LB_METER_BEGIN_NS, now_ns ? now_ns : 1);
    day = span_at(shipper, LB_QUOTA_DAY, now_ns);
    roll(shipper, LB_METER_ALL, LB_METER_DAY, day.id);
    roll(shipper, LB_METER_ALL, LB_METER_MONTH, span_at(shipper, LB_QUOTA_MONTH, now_ns).id);
    shipper->meter.day_ends_ns =
        day.id ? day.end_ms * LB_NS_PER_MS - get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS) : LB_NEVER;
    lb_release_publish(shipper);
}

/* ---- counting ---- */

static void add(struct lb_shipper *shipper, uint32_t row, uint64_t bytes, uint64_t now_ns)
{
    roll(shipper, row, LB_METER_DAY, span_at(shipper, LB_QUOTA_DAY, now_ns).id);
    roll(shipper, row, LB_METER_MONTH, span_at(shipper, LB_QUOTA_MONTH, now_ns).id);
    set(shipper, row, LB_METER_DAY_BYTES, get(shipper, row, LB_METER_DAY_BYTES) + bytes);
    set(shipper, row, LB_METER_MONTH_BYTES, get(shipper, row, LB_METER_MONTH_BYTES) + bytes);
}

static void learn_cost(struct lb_shipper *shipper, uint64_t text_bytes, uint64_t link_bytes)
{
    uint64_t text = get(shipper, LB_METER_MORE, LB_METER_TEXT_BYTES) + text_bytes,
             wire = get(shipper, LB_METER_MORE, LB_METER_WIRE_BYTES) + link_bytes;

    if (is_beside(shipper)) /* the same text once more: only what it costs is added */
        text -= text_bytes;
    else if (text_bytes == 0)
        return; /* only records of our own */
    if (text > LB_METER_LATE_TEXT) {
        text /= 2;
        wire /= 2;
    }
    set(shipper, LB_METER_MORE, LB_METER_TEXT_BYTES, text);
    set(shipper, LB_METER_MORE, LB_METER_WIRE_BYTES, wire);
}

/* Where a service of the shipper's books is in the counts. */
static uint32_t row_of(const struct lb_shipper *shipper, uint32_t row)
{
    const struct lb_state_name *name = &shipper->state->file->name[row];

    return is_beside(shipper)
               ? lb_state_find_service(counts_of(shipper), name->text, name->len, LB_SERVICES_BOOKS)
               : row;
}

/* Each service has its share by what it has in the body; what rounding leaves is nobody's. */
static void charge_services(struct lb_shipper *shipper, const struct lb_body *body, bool was_taken,
                            uint64_t link_bytes, uint64_t now_ns)
{
    uint64_t all = 0, text = 0;

    if (body->sums > LB_BODY_SUMS)
        return; /* too many to tell apart: counted in all only */
    for (unsigned i = 0; i < body->sums; i++) {
        all += body->sum[i].bytes + body->sum[i].own_bytes;
        text += body->sum[i].bytes;
    }
    for (unsigned i = 0; all > 0 && i < body->sums; i++) {
        double share = (double)(body->sum[i].bytes + body->sum[i].own_bytes) / (double)all;

        add(shipper, row_of(shipper, body->sum[i].row), (uint64_t)((double)link_bytes * share), now_ns);
    }
    if (was_taken)
        learn_cost(shipper, text, link_bytes);
}

void lb_meter_charge(struct lb_shipper *shipper, const struct lb_body *body, bool was_taken,
                     uint64_t link_bytes, uint64_t now_ns)
{
    if (!is_network(shipper) || link_bytes == 0)
        return;
    add(shipper, LB_METER_ALL, link_bytes, now_ns);
    if (body)
        charge_services(shipper, body, was_taken, link_bytes, now_ns);
    if (is_beside(shipper))
        lb_commit_publish(&counts_of(shipper)->slow);
    else if (!was_taken)
        lb_release_publish(shipper);
}

bool lb_meter_today(const struct lb_shipper *shipper, uint64_t now_ns, uint64_t *ret_bytes)
{
    bool is_on_link = shipper->sink->transport != LB_TRANSPORT_FILE; /* of one to nowhere others are */

    if (!is_on_link || get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS) == 0)
        return false;
    /* Nobody steps at midnight only for this. */
    *ret_bytes = now_ns < shipper->meter.day_ends_ns ? get(shipper, LB_METER_ALL, LB_METER_DAY_BYTES) : 0;
    return true;
}

/* ---- across reboots ---- */

enum { KEPT_DAY = 0, KEPT_DAY_BYTES, KEPT_MONTH, KEPT_MONTH_BYTES, KEPT_BEGIN_WALL_NS };

void lb_meter_keep(const struct lb_shipper *shipper, uint64_t words[LB_METER_KEPT])
{
    uint64_t begin_ns = get(shipper, LB_METER_MORE, LB_METER_BEGIN_NS),
             offset_ns = get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS);

    words[KEPT_DAY] = get(shipper, LB_METER_ALL, LB_METER_DAY);
    words[KEPT_DAY_BYTES] = get(shipper, LB_METER_ALL, LB_METER_DAY_BYTES);
    words[KEPT_MONTH] = get(shipper, LB_METER_ALL, LB_METER_MONTH);
    words[KEPT_MONTH_BYTES] = get(shipper, LB_METER_ALL, LB_METER_MONTH_BYTES);
    words[KEPT_BEGIN_WALL_NS] = begin_ns && offset_ns ? begin_ns + offset_ns : 0;
}

/* true: it is the window that it is now, or nobody knows which that is. */
static bool adopt(struct lb_shipper *shipper, unsigned word, uint64_t id, uint64_t bytes)
{
    uint64_t now_id = get(shipper, LB_METER_ALL, word);

    if (id == 0 || (now_id != 0 && now_id != id))
        return false;
    set(shipper, LB_METER_ALL, word, id);
    set(shipper, LB_METER_ALL, word + 1, get(shipper, LB_METER_ALL, word + 1) + bytes);
    return true;
}

void lb_meter_adopt(struct lb_shipper *shipper, const uint64_t words[LB_METER_KEPT])
{
    uint64_t offset_ns = get(shipper, LB_METER_MORE, LB_METER_OFFSET_NS);
    bool is_same_month = adopt(shipper, LB_METER_MONTH, words[KEPT_MONTH], words[KEPT_MONTH_BYTES]);

    adopt(shipper, LB_METER_DAY, words[KEPT_DAY], words[KEPT_DAY_BYTES]);
    /* Before this boot began: as a boot time it is below 0, and right again with the offset added. */
    if (is_same_month && offset_ns && words[KEPT_BEGIN_WALL_NS])
        set(shipper, LB_METER_MORE, LB_METER_BEGIN_NS, words[KEPT_BEGIN_WALL_NS] - offset_ns);
}

/* ---- when more may go ---- */

static bool has_rate(const struct lb_shipper *shipper)
{
    return is_network(shipper) && shipper->config->link_bytes_per_day != LB_OFF;
}

void lb_meter_sent(struct lb_shipper *shipper, uint64_t payload_bytes, uint64_t now_ns)
{
    double ns;

    if (!has_rate(shipper))
        return;
    ns = (double)(payload_bytes + LB_METER_HEAD) * MS_PER_DAY / (double)shipper->config->link_bytes_per_day *
         (double)LB_NS_PER_MS;
    shipper->meter.paid_ns = lb_later(shipper->meter.paid_ns, now_ns) + (uint64_t)ns;
}

uint64_t lb_meter_on_the_way(const struct lb_shipper *shipper)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < shipper->slots; i++)
        if (shipper->slot[i].state == LB_SLOT_SENDING || shipper->slot[i].state == LB_SLOT_LINGERING)
            bytes += shipper->slot[i].body.payload_len + LB_METER_HEAD;
    return bytes;
}

/* What is left of the quota, less what is on its way. Where the time is not known, the counts are all there
 * is. */
static uint64_t left(const struct lb_shipper *shipper)
{
    const struct lb_quota *quota = &shipper->config->quota;
    uint64_t spent;

    if (!is_network(shipper) || quota->bytes == LB_OFF)
        return UINT64_MAX;
    spent = get(shipper, LB_METER_ALL,
                quota->window == LB_QUOTA_MONTH ? LB_METER_MONTH_BYTES : LB_METER_DAY_BYTES) +
            shipper->beside_bytes;
    spent += lb_meter_on_the_way(shipper);
    return quota->bytes > spent + LB_METER_HEAD ? quota->bytes - spent - LB_METER_HEAD : 0;
}

uint64_t lb_meter_free_ns(const struct lb_shipper *shipper, uint64_t payload_bytes)
{
    uint64_t free_ns = has_rate(shipper) ? shipper->meter.paid_ns : 0;

    if (payload_bytes < left(shipper))
        return free_ns;
    /* Days end at least as often as months: what is left is looked at again then. */
    return shipper->meter.day_ends_ns;
}

/* What a second of the link is good for. */
static double bytes_by_rate(const struct lb_shipper *shipper)
{
    const struct lb_shipper_stats *stats = &shipper->stats;
    double may, packed = 0.25; /* before anything was sent; what text of any kind packs to */

    if (shipper->builder.compression == LB_COMPRESSION_NONE)
        packed = 1;
    else if (stats->raw_bytes > 0)
        packed = (double)stats->wire_bytes / (double)stats->raw_bytes;
    may = (double)shipper->config->link_bytes_per_day / MS_PER_DAY * LB_METER_BODY_MS - LB_METER_HEAD;
    return may / (packed > 0.01 ? packed : 0.01);
}

size_t lb_meter_max_bytes(const struct lb_shipper *shipper)
{
    uint64_t may = left(shipper); /* not packed: it may not pass the quota whatever it packs to */
    double by_rate = has_rate(shipper) ? bytes_by_rate(shipper) : 0;

    if (has_rate(shipper) && by_rate < (double)may)
        may = by_rate > 0 ? (uint64_t)by_rate : 0;
    return may > LB_METER_LEAST ? may : LB_METER_LEAST;
}
