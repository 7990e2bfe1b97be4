/* SPDX-License-Identifier: MIT */
/*
 * A random life of the shipper: lines come, the sink takes, refuses or is silent, settings change, people ask
 * for a flush, the agent is killed, the ring gets another size. Then the sink is well, and at the end each
 * line was taken once, or was shed once and told once. The books balance after each single step, and no step
 * asks for another one at once without having done something (lib_ship looks at both).
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_ship.h"
#include "tests/unit/lib_store.h"

#define KIB    1024
#define LIVES  60
#define EVENTS 400

static uint64_t told_lines; /* in receipts that the sink took */
static uint64_t told_ranges[4096][3];
static unsigned told_range_count;

static void note_range(const char *range, const char *name, uint64_t lane)
{
    const char *at = strstr(range, name), *end = strchr(range, '}');

    if (!at || at > end)
        return;
    assert_true(told_range_count < sizeof told_ranges / sizeof told_ranges[0]);
    told_ranges[told_range_count][0] = lane;
    assert_int_equal(sscanf(at + strlen(name), "\":[%" SCNu64 ",%" SCNu64 "]",
                            &told_ranges[told_range_count][1], &told_ranges[told_range_count][2]),
                     2);
    told_range_count++;
}

static void note_receipts(const char *text)
{
    static const char mark[] = "\"kind\":\"receipt\",\"count\":";

    for (const char *at = text; (at = strstr(at, mark)); at++) {
        const char *range = strstr(at, "\"range\":{");

        told_lines += strtoull(at + sizeof mark - 1, NULL, 10);
        assert_non_null(range);
        note_range(range, "urgent", LB_LANE_URGENT);
        note_range(range, "routine", LB_LANE_ROUTINE);
    }
}

static const char *settings(void)
{
    static char text[256];

    snprintf(text, sizeof text,
             "[sink out]\ntype = file\npath = /nowhere\nbody_lines = %u\nwait = %us\nurgent_wait = %ums\n"
             "retry_min = %ums\nretry_max = %us\nconcurrency = %u\nsequence = %s\nbody_bytes = 16K\n",
             (unsigned)(1 + random_below(40)), (unsigned)random_below(20), (unsigned)random_below(3000),
             (unsigned)(10 + random_below(900)), (unsigned)(1 + random_below(100)),
             (unsigned)(1 + random_below(8)), random_below(2) ? "all" : "batch");
    return text;
}

static void put_some(void)
{
    static const char *const names[] = { "shop", "till", "lamp", "gate", "belt" };
    unsigned count = (unsigned)random_below(40);

    while (count-- > 0) {
        enum lb_level level = random_below(10) ? LB_LEVEL_INFO : LB_LEVEL_ERROR;
        const char *name = random_below(20) ? names[random_below(5)] : "rare";
        size_t len = random_below(50) ? 8 + random_below(300) : 8 + random_below(6000);

        ship_put_as(name, level, len);
    }
}

static void answer_some(unsigned of_ten_bad)
{
    while (ship_count() > 0 && random_below(4)) {
        unsigned slot = random_below(2) ? ship_first() : ship_last();

        ship_answer_at(slot, random_below(10) < of_ten_bad ? EIO : 0, ship.now_ns + random_below(100000));
    }
}

static void begin_hold(void)
{
    ship.shipper.is_held = true;
    ship.was_due = false;
    ship_step();
}

/* As the slow side takes new settings over. */
static void end_hold(void)
{
    for (unsigned i = 0; i < LB_SHIPPER_SLOTS; i++)
        if (ship.shipper.slot[i].state == LB_SLOT_SENDING || ship.shipper.slot[i].state == LB_SLOT_LINGERING)
            return;
    if (!ship.shipper.is_held)
        return;
    ship_reload(settings());
    ship.shipper.is_held = false;
    ship_step();
}

/* May give the ring another size, and with it another id. */
static void kill_and_start(bool may_resize)
{
    ship_kill();
    if (may_resize && random_below(2)) {
        struct lb_ring *ring = &ship.rig.files.ring;

        assert_int_equal(
            lb_files_resize(&ship.rig.files, ring->size == 64 * KIB ? 128 * KIB : 64 * KIB, false), 0);
    }
    ship_start();
    ship_step();
}

static void live(bool may_resize)
{
    unsigned of_ten_bad = (unsigned)random_below(11);

    for (unsigned event = 0; event < EVENTS; event++) {
        switch (random_below(16)) {
        case 0:
            of_ten_bad = (unsigned)random_below(11);
            break;
        case 1:
            if (random_below(4) == 0)
                begin_hold();
            break;
        case 2:
            if (random_below(10) == 0)
                kill_and_start(may_resize);
            break;
        case 3:
            lb_shipper_flush(&ship.shipper);
            ship.was_due = false;
            ship_step();
            break;
        case 4:
        case 5:
            ship_tell();
            break;
        case 6:
        case 7:
        case 8:
        case 9:
            put_some();
            break;
        case 10:
        case 11:
            ship_pass(random_below(5 * SHIP_SECOND));
            break;
        default:
            answer_some(of_ten_bad);
            break;
        }
        end_hold();
    }
}

static void get_well(void)
{
    uint64_t lines = 1, own = 0;

    for (unsigned round = 0; round < 5000 && lines + own + rig_untold(&ship.rig) > 0; round++) {
        while (ship_count() > 0)
            ship_answer(ship_first(), 0);
        end_hold();
        ship_tell();
        ship_pass(SHIP_SECOND);
        if (round % 100 == 50)
            ship_put(LB_LEVEL_INFO, 8); /* losses are told behind a delivery: there must be one */
        rig_count_pending(&ship.rig, &lines, &own);
    }
    assert_int_equal(lines + own, 0);
    assert_int_equal(rig_untold(&ship.rig), 0);
}

static bool is_told(unsigned lane, uint64_t n)
{
    for (unsigned i = 0; i < told_range_count; i++)
        if (told_ranges[i][0] == lane && told_ranges[i][1] <= n && n <= told_ranges[i][2])
            return true;
    return false;
}

static void judge(bool has_one_ring)
{
    struct rig_books books = rig_books(&ship.rig);
    uint64_t taken = 0;

    for (uint32_t number = 1; number <= ship.rig.lines; number++) {
        assert_in_range(ship.taken[number], 0, 1);
        taken += ship.taken[number];
        if (ship.taken[number] == 0 && has_one_ring)
            assert_true(is_told(ship.rig.lane[number], ship.rig.n[number]));
    }
    assert_int_equal(taken, books.delivered);
    assert_int_equal(taken + books.shed, ship.rig.lines);
    assert_int_equal(told_lines, books.shed);
}

static void every_line_is_taken_once_or_shed_and_told_once(void **state)
{
    uint64_t lines = 0, shed = 0, steps = 0;

    random_begin();
    for (unsigned life = 0; life < LIVES; life++) {
        bool may_resize = life % 3 == 2;

        told_lines = 0;
        told_range_count = 0;
        ship_begin(64 * KIB, settings());
        ship.on_taken = note_receipts;
        ship.cannot_cancel = random_below(2);
        live(may_resize);
        get_well();
        judge(!may_resize);
        lines += ship.rig.lines;
        shed += rig_books(&ship.rig).shed;
        steps += ship.steps;
        ship_end(state);
    }
    print_message("%llu lines, %llu of them shed, %llu steps\n", (unsigned long long)lines,
                  (unsigned long long)shed, (unsigned long long)steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_taken_once_or_shed_and_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
