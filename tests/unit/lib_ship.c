/* SPDX-License-Identifier: MIT */
/* The slow side played. In: lines, answers, time. Out: bodies. Always true: nobody calls the shipper who
 * would not. */
#include "tests/unit/lib_ship.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"

struct ship ship;

/* ---- transport ---- */

static int fake_send(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    struct ship_out *out = &ship.out[slot];

    (void)self;
    assert_false(out->is_out);
    if (ship.send_rc < 0)
        return ship.send_rc;
    free(out->text);
    out->text = malloc(len + 1);
    memcpy(out->text, body, len);
    out->text[len] = '\0';
    out->len = len;
    out->body = body;
    out->is_out = true;
    out->order = ++ship.sends;
    snprintf(out->encoding, sizeof out->encoding, "%s", encoding);
    return 0;
}

static bool fake_cancel(void *self, unsigned slot)
{
    (void)self;
    ship.cancels++;
    if (ship.cannot_cancel)
        return false;
    ship.out[slot].is_out = false;
    return true;
}

static void fake_close(void *self)
{
    (void)self;
    ship.closes++;
}

static struct lb_wall_reading read_clocks(void *ctx)
{
    (void)ctx;
    return (struct lb_wall_reading) { ship.now_ns, ship.now_ns + ship.wall_offset_ns, !ship.is_unsynced };
}

static int fake_check(void *self, unsigned slot)
{
    (void)self;
    assert_false(ship.out[slot].is_out);
    ship.out[slot].is_out = true;
    return 0;
}

/* ---- begin and end ---- */

static void old_ring_done(void *ctx)
{
    (void)ctx;
    ship.old_rings_done++;
    lb_files_drop_old_ring(&ship.rig.files);
}

void ship_start(void)
{
    struct lb_files *files = &ship.rig.files;

    ship.shipper = (struct lb_shipper) {
        .ring = files->has_old_ring ? &files->old_ring : &files->ring,
        .next_ring = files->has_old_ring ? &files->ring : NULL,
        .old_ring_done = old_ring_done,
        .state = &files->state,
        .link = &ship.rig.link,
        .config = ship.config,
        .transport = { NULL, fake_send, fake_cancel, fake_close, fake_check, ship.tells_time },
        .read_clocks = read_clocks,
    };
    lb_wall_init(&ship.shipper.wall, LB_WALL_EARLIEST_S * SHIP_SECOND);
    assert_int_equal(lb_shipper_start(&ship.shipper, 1, ship.now_ns), 0);
    ship.shipper.splay_until_ns = ship.keeps_splay ? ship.shipper.splay_until_ns : 0;
    ship.due_ns = ship.now_ns;
}

void ship_begin(uint64_t ring_bytes, const char *settings)
{
    memset(&ship, 0, sizeof ship);
    ship.wall_offset_ns = SHIP_WALL_NS;
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    rig_begin(&ship.rig, ring_bytes);
    ship.config = rig_config(&ship.rig, settings);
    ship.now_ns = 100 * SHIP_SECOND;
    ship_start();
    ship_step();
}

/* What the transport could not let go of must be whole still, and is ours to free. */
static void stop(void)
{
    ship.closes = 0;
    lb_shipper_stop(&ship.shipper);
    assert_int_equal(ship.closes, 1);
    for (unsigned i = 0; i < LB_TRANSPORT_SLOTS; i++) {
        struct ship_out *out = &ship.out[i];

        if (out->is_out && i < LB_SHIPPER_SLOTS) {
            assert_true(ship.cannot_cancel);
            assert_int_equal(memcmp(out->body, out->text, out->len), 0);
            free(ship.shipper.slot[i].body.payload);
        }
        free(out->text);
        memset(out, 0, sizeof *out);
    }
}

void ship_kill(void)
{
    stop();
    rig_restart(&ship.rig);
    lb_link_close(&ship.rig.link);
    assert_int_equal(lb_link_init(&ship.rig.link), 0);
    ship.was_due = false;
}

void ship_reload(const char *settings)
{
    lb_config_free(ship.config_before);
    ship.config_before = ship.config;
    ship.config = rig_config(&ship.rig, settings);
    assert_int_equal(lb_shipper_reload(&ship.shipper, ship.config, 0), 0);
    ship.was_due = false;
}

int ship_end(void **state)
{
    (void)state;
    stop();
    lb_config_free(ship.config);
    lb_config_free(ship.config_before);
    rig_end(&ship.rig);
    return 0;
}

/* ---- steps ---- */

static void check_books(void)
{
    struct rig_books books = rig_books(&ship.rig);
    uint64_t pending, own;

    if (ship.is_damaged)
        return;
    rig_count_pending(&ship.rig, &pending, &own);
    assert_int_equal(books.queued, ship.rig.in_lines);
    assert_int_equal(books.queued, books.delivered + books.shed + books.rejected + pending);
    assert_int_equal(books.own, books.own_delivered + books.own_shed + own);
    if (pending == 0)
        assert_int_equal(books.queued_bytes, books.delivered_bytes + books.shed_bytes + books.rejected_bytes);
}

static void check_progress(void)
{
    uint64_t now[8] = { ship.sends,
                        ship.shipper.next_pos,
                        ship.shipper.scan_pos,
                        lb_ring_tail(ship.shipper.ring),
                        lb_ring_head(&ship.rig.files.ring),
                        ship.shipper.stats.failures,
                        (uint64_t)(uintptr_t)ship.shipper.ring,
                        ship.shipper.pending_lines };
    bool is_due = ship.due_ns <= ship.now_ns;

    if (is_due && ship.was_due && memcmp(now, ship.seen, sizeof now) == 0)
        fail_msg("the shipper spins: it asks for a step at once and does nothing in it");
    memcpy(ship.seen, now, sizeof now);
    ship.was_due = is_due;
}

void ship_step(void)
{
    ship.steps++;
    ship.due_ns = lb_shipper_step(&ship.shipper, ship.now_ns);
    check_progress();
    check_books();
}

void ship_pass(uint64_t ns)
{
    uint64_t until = ship.now_ns + ns;

    while (ship.due_ns <= until) {
        if (ship.due_ns > ship.now_ns)
            ship.now_ns = ship.due_ns;
        ship_step();
    }
    ship.now_ns = until;
}

/* As lb_turns_publish() does. */
static void knock(bool has_urgent)
{
    struct lb_link *link = &ship.rig.link;

    if (lb_ring_head(&ship.rig.files.ring) < lb_link_get(&link->slow_wake_pos) &&
        !(has_urgent && lb_link_get(&link->slow_wants_urgent)))
        return;
    lb_link_put(&link->slow_wake_pos, UINT64_MAX);
    if (has_urgent)
        lb_link_put(&link->slow_wants_urgent, 0);
    ship.was_due = false;
    ship_step();
}

uint32_t ship_put_as(const char *service, enum lb_level level, size_t len)
{
    uint32_t number;

    ship.rig.boot_ns = ship.now_ns;
    number = rig_put(&ship.rig, service, level, len);
    if (number)
        knock(level <= LB_LEVEL_WARNING);
    return number;
}

uint32_t ship_put(enum lb_level level, size_t len)
{
    return ship_put_as("shop", level, len);
}

unsigned ship_tell(void)
{
    unsigned told = 0;

    if (lb_link_get(&ship.rig.link.losses_wait) == 0)
        return 0;
    told = rig_tell(&ship.rig);
    ship.was_due = false;
    ship_step();
    return told;
}

/* ---- bodies ---- */

static unsigned find(bool is_last)
{
    unsigned found = LB_TRANSPORT_SLOTS;

    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++)
        if (ship.out[i].is_out &&
            (found == LB_TRANSPORT_SLOTS || (ship.out[i].order > ship.out[found].order) == is_last))
            found = i;
    assert_true(found < LB_TRANSPORT_SLOTS);
    return found;
}

unsigned ship_first(void)
{
    return find(false);
}

unsigned ship_last(void)
{
    return find(true);
}

unsigned ship_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++)
        count += ship.out[i].is_out;
    return count;
}

/* Call for each line's number in a body. Returns how many there are. */
static unsigned each_line(unsigned slot, uint16_t *counts, uint32_t *ret_first, uint32_t *ret_last)
{
    static const char mark[] = "\"message\":\"L";
    unsigned lines = 0;

    for (const char *at = ship.out[slot].text; (at = strstr(at, mark)); at++) {
        uint32_t number = (uint32_t)strtoul(at + sizeof mark - 1, NULL, 10);

        assert_in_range(number, 1, RING_LINES_MAX - 1);
        if (lines++ == 0)
            *ret_first = number;
        *ret_last = number;
        if (counts)
            counts[number]++;
    }
    return lines;
}

uint32_t ship_first_line(unsigned slot)
{
    uint32_t first = 0, last = 0;

    each_line(slot, NULL, &first, &last);
    return first;
}

uint32_t ship_last_line(unsigned slot)
{
    uint32_t first = 0, last = 0;

    each_line(slot, NULL, &first, &last);
    return last;
}

unsigned ship_lines(unsigned slot)
{
    uint32_t first = 0, last = 0;

    return each_line(slot, NULL, &first, &last);
}

void ship_answer_with(unsigned slot, const struct lb_answer *given, uint64_t now_ns)
{
    struct lb_answer answer = *given;
    bool is_body = slot < LB_SHIPPER_SLOTS,
         was_given_up = is_body && ship.shipper.slot[slot].state == LB_SLOT_LINGERING,
         is_taken = is_body && ship.shipper.sink->judge(given) == LB_VERDICT_DELIVERED;
    uint32_t first = 0, last = 0;

    assert_true(ship.out[slot].is_out);
    if (is_body)
        assert_int_equal(memcmp(ship.out[slot].body, ship.out[slot].text, ship.out[slot].len), 0);
    answer.wire_bytes = ship.out[slot].len;
    answer.link_bytes =
        ship.shipper.sink->transport == LB_TRANSPORT_FILE ? 0 : ship.out[slot].len + SHIP_HEAD;
    ship.out[slot].is_out = false;
    if (is_taken && !was_given_up && ship.on_taken)
        ship.on_taken(ship.out[slot].text);
    if (is_taken)
        each_line(slot, was_given_up ? ship.late : ship.taken, &first, &last);
    lb_shipper_answer_at(&ship.shipper, slot, &answer, now_ns);
    ship.was_due = false;
    ship_step();
}

void ship_answer_at(unsigned slot, int error, uint64_t now_ns)
{
    struct lb_answer answer = { .error = error };

    if (error)
        snprintf(answer.text, sizeof answer.text, "%s", strerror(error));
    ship_answer_with(slot, &answer, now_ns);
}

void ship_answer(unsigned slot, int error)
{
    ship_answer_at(slot, error, ship.now_ns);
}

void ship_status(unsigned slot, long status)
{
    struct lb_answer answer = { .status = status };

    snprintf(answer.text, sizeof answer.text, "HTTP status %ld", status);
    ship_answer_with(slot, &answer, ship.now_ns);
}

unsigned ship_serve(long (*status_of)(unsigned slot))
{
    unsigned answers = 0;

    for (;; answers++) {
        unsigned slot = LB_ASK_SLOT;

        ship_pass(SHIP_SECOND / 1000);
        if (!ship.out[slot].is_out && ship_count() == 0)
            return answers;
        if (!ship.out[slot].is_out)
            slot = ship_first();
        assert_true(answers < 10000);
        ship_status(slot, status_of(slot));
    }
}

bool ship_holds(unsigned slot, uint32_t line)
{
    const struct lb_body *body = &ship.shipper.slot[slot].body;
    const uint64_t *range = body->range[ship.rig.lane[line]];

    assert_true(slot < LB_SHIPPER_SLOTS && line > 0 && line < RING_LINES_MAX);
    return line <= ship.rig.lines && range[0] <= ship.rig.n[line] && ship.rig.n[line] <= range[1];
}
