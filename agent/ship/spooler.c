/* SPDX-License-Identifier: MIT */
/*
 * The spool, as the slow side sees it. In: what the card side answered, the time. Out: the next piece of
 * work, rows of the backlog freed or filled. Always true: a segment leaves RAM for the card only when the
 * card has acknowledged it; and what lies in both is shipped from RAM.
 *
 * Crash story. Killed between an acknowledgement and the publish that frees the rows, the segments lie in
 * both places: the next start finds their rows in RAM, and takes what the spool has of them for a copy.
 * Killed between the publish that makes a segment final and the transaction that drops its row, the row in
 * the backlog says so. After a power cut, or a reboot, only the card is left: what it has is shipped, and
 * what it was not told in time to forget is shipped twice.
 */
#include "agent/ship/spooler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "agent/ship/spooler_parts.h"
#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/log.h"

#define LOOK_EVERY_NS LB_NS_PER_S

/* ---- what is of now, and what is final ---- */

static void read_boot_id(struct lb_spooler *spooler)
{
    const uint64_t *life = spooler->live->state->file->life_id;
    char text[64] = "";
    uint64_t words[2] = { life[0], life[1] };
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    unsigned digit = 0;

    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    for (const char *at = text; *at && digit < 32; at++) {
        const char *hex = "0123456789abcdef", *found = strchr(hex, *at);

        if (!found)
            continue;
        words[digit / 16] ^= (uint64_t)(found - hex) << (digit % 16 * 4);
        digit++;
    }
    memcpy(spooler->boot_id, words, sizeof spooler->boot_id);
}

bool lb_spooler_is_of_now(const struct lb_spooler *spooler, const struct lb_segment_meta *meta)
{
    return memcmp(meta->boot_id, spooler->boot_id, sizeof meta->boot_id) == 0;
}

void lb_spooler_stamp(const struct lb_spooler *spooler, struct lb_segment_meta *meta, uint64_t now_ns)
{
    struct lb_stamps stamps = lb_stamps_of(&spooler->live->wall, now_ns);

    memcpy(meta->boot_id, spooler->boot_id, sizeof meta->boot_id);
    meta->wall_offset_ns = (int64_t)stamps.offset_ns;
    meta->clock_trust = (uint8_t)stamps.trust[meta->last_ns >= stamps.exact_since_ns];
}

uint32_t lb_spooler_row_of(const struct lb_spooler *spooler, const struct lb_segment_meta *meta)
{
    const struct lb_backlog *backlog = spooler->backlog;

    for (uint32_t row = 0; row < backlog->rows; row++)
        if ((lb_backlog_is_valid(backlog, row) || lb_backlog_is_final(backlog, row)) &&
            lb_backlog_word(backlog, row, LB_ROW_RING) == meta->ring_id &&
            lb_backlog_lane(backlog, row) == meta->lane &&
            lb_backlog_word(backlog, row, LB_ROW_FIRST_N) == meta->first_n &&
            lb_backlog_word(backlog, row, LB_ROW_LAST_N) == meta->last_n)
            return row;
    return LB_BACKLOG_NONE;
}

/* Are records of a copy still to be shipped from RAM? */
static bool is_pending(const struct lb_spooler *spooler, const struct lb_segment_meta *meta)
{
    const struct lb_shipper *live = spooler->live;
    const struct lb_ring *rings[] = { live->ring, live->next_ring };

    for (unsigned i = 0; i < 2; i++)
        if (rings[i] && rings[i]->id == meta->ring_id &&
            meta->last_n >=
                lb_commit_get(rings[i]->slow, rings[i]->slow_region, LB_RING_TAIL_NEXT + meta->lane))
            return true;
    for (uint32_t row = 0; row < spooler->backlog->rows; row++)
        if (lb_backlog_is_valid(spooler->backlog, row) &&
            lb_backlog_word(spooler->backlog, row, LB_ROW_RING) == meta->ring_id &&
            lb_backlog_lane(spooler->backlog, row) == meta->lane &&
            lb_backlog_word(spooler->backlog, row, LB_ROW_LAST_N) >= meta->first_n &&
            lb_backlog_word(spooler->backlog, row, LB_ROW_FIRST_N) <= meta->last_n)
            return true;
    return false;
}

static void note_part(struct lb_spooler *spooler, struct lb_spool_known *known, unsigned part)
{
    const struct lb_segment_meta *meta = &known->part[part].meta;
    uint64_t bit = 1ull << part;
    uint32_t row;

    if (known->done & bit)
        return;
    if (meta->why == LB_SPOOL_COPY && lb_spooler_is_of_now(spooler, meta)) {
        if (!is_pending(spooler, meta))
            known->done |= bit;
        return;
    }
    row = lb_spooler_row_of(spooler, meta);
    if (row != LB_BACKLOG_NONE && lb_backlog_is_final(spooler->backlog, row))
        known->done |= bit;
    if (row != LB_BACKLOG_NONE)
        known->in_ram |= bit;
    else
        known->in_ram &= ~bit; /* given up there for others: it is to be brought back once more */
}

void lb_spooler_note_finals(struct lb_spooler *spooler)
{
    for (unsigned i = 0; i < spooler->known_count; i++)
        for (unsigned part = 0; part < spooler->known[i].count; part++)
            note_part(spooler, &spooler->known[i], part);
}

/* ---- what the card side answered ---- */

static void note_result(struct lb_spooler *spooler, uint64_t now_ns)
{
    const struct lb_spool_work *work = &spooler->work;
    bool is_news = lb_spool_retry_note(&spooler->retry, work->rc, now_ns / LB_NS_PER_MS);

    spooler->view = work->view;
    spooler->budget_rate = work->budget_rate;
    spooler->budget_left = work->budget_left;
    spooler->budget_spent = work->budget_spent;
    snprintf(spooler->why, sizeof spooler->why, "%s", work->rc < 0 ? work->why : "");
    if (work->rc < 0)
        spooler->stats.failures++;
    if (spooler->state != LB_SPOOLER_REFUSED)
        spooler->state = work->rc < 0 ? LB_SPOOLER_OFF : LB_SPOOLER_ON;
    if (!is_news)
        return;
    if (work->rc < 0)
        lb_log(LB_LEVEL_WARNING, "the spool is off: %s", work->why[0] ? work->why : strerror(-work->rc));
    else if (spooler->stats.failures > 0)
        lb_log(LB_LEVEL_NOTICE, "the spool works again");
}

static void free_known(struct lb_spool_known *known, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(known[i].part);
    free(known);
}

/* What was sent before the reboot, as far as the last transaction knew. */
static void take_meter(struct lb_spooler *spooler)
{
    const struct lb_spool_book *book = &spooler->work.book;

    if (spooler->work.rc < 0 || spooler->has_meter || book->word_count < LB_LEDGER_WORDS + LB_METER_KEPT)
        return;
    spooler->has_meter = true;
    if (memcmp(book->boot.boot_id, spooler->boot_id, sizeof spooler->boot_id) == 0)
        return; /* RAM is there, and knows better */
    lb_meter_adopt(spooler->live, book->words + LB_LEDGER_WORDS);
    lb_release_publish(spooler->live);
}

static void take_list(struct lb_spooler *spooler)
{
    struct lb_spool_work *work = &spooler->work;

    free_known(spooler->known, spooler->known_count);
    spooler->known = work->rc == 0 ? work->listed : NULL;
    spooler->known_count = work->rc == 0 ? work->listed_count : 0;
    if (work->rc < 0)
        free_known(work->listed, work->listed_count);
    work->listed = NULL;
    work->listed_count = 0;
    if (work->rc == -EOPNOTSUPP || work->rc == -ELOOP || work->rc == -EPERM || work->rc == -ENOSYS)
        spooler->state = LB_SPOOLER_REFUSED;
    lb_spooler_note_finals(spooler);
    take_meter(spooler);
    if (spooler->known_count > 0)
        lb_log(LB_LEVEL_NOTICE, "the spool has %u rows of an earlier time", spooler->known_count);
}

static bool remember(struct lb_spooler *spooler)
{
    const struct lb_spool_work *work = &spooler->work;
    struct lb_spool_known *more =
        realloc(spooler->known, (spooler->known_count + 1) * sizeof *spooler->known);
    struct lb_spool_part *part = malloc(work->parts * sizeof *part);
    uint32_t offset = 0;

    if (more)
        spooler->known = more;
    if (!more || !part) {
        free(part);
        return false;
    }
    memcpy(part, work->part, work->parts * sizeof *part);
    for (unsigned i = 0; i < work->parts; i++) {
        part[i].data = NULL;
        part[i].offset = offset;
        offset += part[i].len;
    }
    more[spooler->known_count++] =
        (struct lb_spool_known) { .id = work->id, .count = work->parts, .part = part };
    return true;
}

/* They are on the card now, and only there. Not so where we cannot remember that: then they stay here, too.
 */
static void free_rows(struct lb_spooler *spooler)
{
    for (unsigned i = 0; i < spooler->rows; i++)
        lb_backlog_forget(spooler->backlog, spooler->row[i]);
    lb_release_publish(spooler->live);
}

static void drop_known(struct lb_spooler *spooler, uint64_t id)
{
    for (unsigned i = 0; i < spooler->known_count; i++) {
        struct lb_spool_known *known = &spooler->known[i];

        if (known->id != id)
            continue;
        for (unsigned part = 0; part < known->count; part++) {
            uint32_t row = lb_spooler_row_of(spooler, &known->part[part].meta);

            if (row != LB_BACKLOG_NONE && lb_backlog_is_final(spooler->backlog, row))
                lb_backlog_bury(spooler->backlog, row);
        }
        free(known->part);
        *known = spooler->known[--spooler->known_count];
        spooler->stats.dropped_rows++;
        return;
    }
}

static void wrote(struct lb_spooler *spooler, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;

    if (work->rc < 0) {
        if (spooler->task == LB_SPOOLER_COPY) /* they are looked at anew */
            spooler->copy_pos = spooler->copied_seq = 0;
        if (work->rc == -ESTALE || work->rc == -EUCLEAN)
            spooler->state = LB_SPOOLER_OPENING;
        if (spooler->is_going_down)
            spooler->is_down = true;
        return;
    }
    for (unsigned i = 0; i < work->drops; i++)
        drop_known(spooler, work->drop[i]);
    if (work->drops > 0)
        spooler->dropped_ns = now_ns;
    lb_release_publish(spooler->live);
    if (work->parts == 0)
        return;
    spooler->stats.written_rows++;
    spooler->stats.written_bytes += work->used;
    if (spooler->task == LB_SPOOLER_COPY) {
        spooler->copied_ns = now_ns;
        spooler->stats.copied_rows++;
    }
    if (remember(spooler) && spooler->task != LB_SPOOLER_COPY)
        free_rows(spooler);
}

/* Segments are in the backlog again; they stay on the card until they are final. */
static void brought(struct lb_spooler *spooler)
{
    struct lb_spool_work *work = &spooler->work;
    struct lb_spool_known *known = NULL;
    uint32_t end = work->offset + work->len;

    for (unsigned i = 0; i < spooler->known_count; i++)
        if (spooler->known[i].id == work->id)
            known = &spooler->known[i];
    for (unsigned part = 0; known && work->rc == 0 && part < known->count; part++) {
        const struct lb_spool_part *one = &known->part[part];
        bool is_of_now = lb_spooler_is_of_now(spooler, &one->meta);
        struct lb_backlog_origin origin = { .is_spooled = true,
                                            .wall_ns = is_of_now ? 0 : (uint64_t)one->meta.wall_offset_ns,
                                            .trust = one->meta.clock_trust };
        struct lb_segment_view view;
        uint8_t *bytes = work->bytes + (one->offset - work->offset);

        if (one->offset < work->offset || one->offset + one->len > end)
            continue;
        memmove(work->bytes, bytes,
                one->len); /* aligned, for who looks at it; what is before was dealt with */
        if (lb_segment_look(work->bytes, one->len, &view) < 0) {
            lb_log(LB_LEVEL_ERROR, "a segment in the spool is damaged: %llu lines are lost",
                   (unsigned long long)one->meta.lines);
            known->done |= 1ull << part;
            continue;
        }
        if (lb_backlog_put(spooler->backlog, &view, &origin) < 0)
            break;
        known->in_ram |= 1ull << part;
        spooler->stats.brought_back++;
        lb_release_publish(spooler->live);
    }
}

static void on_done(struct lb_card_job *job)
{
    struct lb_spool_work *work = job->arg;
    struct lb_spooler *spooler =
        (struct lb_spooler *)(void *)((char *)work - offsetof(struct lb_spooler, work));
    uint64_t now_ns = lb_clock_boot_ns();
    enum lb_spooler_task task = spooler->task;

    spooler->is_out = false;
    if (spooler->hangs)
        lb_log(LB_LEVEL_NOTICE, "the card answers again");
    spooler->hangs = false;
    note_result(spooler, now_ns);
    if (task == LB_SPOOLER_OPEN)
        take_list(spooler);
    else if (task == LB_SPOOLER_BRING)
        brought(spooler);
    else if (task != LB_SPOOLER_GIVE_BACK)
        wrote(spooler, now_ns);
    spooler->rows = 0;
    spooler->task = LB_SPOOLER_IDLE;
    spooler->look_ns = 0;
    lb_link_knock(spooler->live->link->to_slow_fd);
}

/* ---- steps ---- */

static bool hand_over(struct lb_spooler *spooler, uint64_t now_ns)
{
    struct lb_spool_work *work = &spooler->work;

    work->job = (struct lb_card_job) { lb_spool_work_do, on_done, work };
    work->side = &spooler->side;
    work->now_ns = now_ns;
    work->wall_ns = lb_wall_trust(&spooler->live->wall, now_ns) == LB_CLOCK_UNKNOWN
                        ? 0
                        : now_ns + lb_wall_offset_ns(&spooler->live->wall);
    memcpy(&work->boot, spooler->boot_id, sizeof work->boot);
    lb_meter_keep(spooler->live, work->meter);
    memcpy(work->boot_row.boot_id, spooler->boot_id, sizeof work->boot_row.boot_id);
    work->boot_row.ring_id =
        spooler->live->next_ring ? spooler->live->next_ring->id : spooler->live->ring->id;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++) {
        const struct lb_ring *ring =
            spooler->live->next_ring ? spooler->live->next_ring : spooler->live->ring;

        work->boot_row.last_n[lane] = lb_load(&ring->header->fast[LB_RING_NEXT_URGENT + lane]) - 1;
    }
    if (lb_card_submit(spooler->card, LB_CARD_SLOW, &work->job) < 0) {
        spooler->rows = 0;
        spooler->task = LB_SPOOLER_IDLE;
        return false;
    }
    spooler->is_out = true;
    spooler->out_since_ns = now_ns;
    return true;
}

static void open_again(struct lb_spooler *spooler, uint64_t now_ns)
{
    spooler->task = LB_SPOOLER_OPEN;
    spooler->work.task = LB_SPOOL_TASK_OPEN;
    hand_over(spooler, now_ns);
}

int lb_spooler_start(struct lb_spooler *spooler, struct lb_shipper *live, struct lb_mover *mover,
                     struct lb_drain *drain, struct lb_card *card, uint64_t now_ns)
{
    memset(spooler, 0, sizeof *spooler);
    spooler->live = live;
    spooler->mover = mover;
    spooler->drain = drain;
    spooler->backlog = lb_mover_backlog(mover);
    spooler->card = card;
    spooler->config = spooler->side.config = live->config;
    lb_mover_spare(mover, lb_spooler_holds, spooler);
    read_boot_id(spooler);
    open_again(spooler, now_ns);
    return spooler->is_out ? 0 : -EBUSY;
}

static uint64_t wait_for_card(struct lb_spooler *spooler, uint64_t now_ns)
{
    uint64_t until_ns = spooler->out_since_ns + LB_SPOOLER_HANGS_NS;

    if (now_ns < until_ns)
        return until_ns;
    if (!spooler->hangs)
        lb_log(LB_LEVEL_WARNING, "the spool is off: the card has not answered for 10 s");
    spooler->hangs = true;
    return LB_NEVER;
}

uint64_t lb_spooler_step(struct lb_spooler *spooler, uint64_t now_ns)
{
    spooler->config = spooler->live->config;
    if (spooler->is_out)
        return wait_for_card(spooler, now_ns);
    if (spooler->state == LB_SPOOLER_REFUSED ||
        (spooler->state == LB_SPOOLER_OFF &&
         !lb_spool_retry_is_due(&spooler->retry, now_ns / LB_NS_PER_MS))) {
        spooler->is_down = spooler->is_going_down;
        return spooler->state == LB_SPOOLER_REFUSED ? LB_NEVER : now_ns + LOOK_EVERY_NS;
    }
    if (!spooler->side.spool || spooler->state == LB_SPOOLER_OPENING) {
        open_again(spooler, now_ns);
        return LB_NEVER;
    }
    if (now_ns < spooler->look_ns && !spooler->is_going_down && !lb_spooler_is_pressed(spooler, now_ns))
        return spooler->look_ns;
    spooler->look_ns = now_ns + LOOK_EVERY_NS;
    lb_spooler_note_finals(spooler);
    if (lb_spooler_plan(spooler, now_ns)) {
        hand_over(spooler, now_ns);
        return LB_NEVER;
    }
    spooler->task = LB_SPOOLER_IDLE;
    spooler->rows = 0;
    spooler->is_down = spooler->is_going_down;
    return spooler->look_ns;
}

/* ---- requests of others ---- */

void lb_spooler_go_down(struct lb_spooler *spooler, uint64_t now_ns)
{
    uint64_t tail;

    if (spooler->is_going_down)
        return;
    (void)now_ns;
    spooler->is_going_down = true;
    spooler->live->is_held = true; /* what is on its way is answered, or shipped once more after the reboot */
    do {
        tail = lb_ring_tail(spooler->live->ring);
        lb_mover_move(spooler->mover, tail, lb_pending_end(spooler->live), false);
    } while (lb_ring_tail(spooler->live->ring) != tail);
}

bool lb_spooler_is_down(const struct lb_spooler *spooler)
{
    return spooler->is_down || spooler->hangs;
}

bool lb_spooler_holds(const void *ctx, uint32_t row)
{
    const struct lb_spooler *spooler = ctx;

    for (unsigned i = 0; spooler->is_out && i < spooler->rows; i++)
        if (spooler->row[i] == row)
            return true;
    return false;
}

void lb_spooler_stop(struct lb_spooler *spooler)
{
    free_known(spooler->known, spooler->known_count);
    free_known(spooler->work.listed, spooler->work.listed_count);
    free(spooler->work.bytes);
    lb_spool_close(spooler->side.spool);
}
