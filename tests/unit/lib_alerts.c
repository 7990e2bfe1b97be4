/* SPDX-License-Identifier: MIT */
/* Alerts after looks of our making. In: what was written. Out: what is told. */
#include "tests/unit/lib_alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct lb_alerts alerts;
struct lb_wear_limit_settings alert_limits;
struct lb_wear_event events[LB_ALERTS_AT_ONCE];
unsigned event_count;

/* A card, a program; limits that nothing passes yet. */
int alerts_begin(void **state)
{
    wear_begin(state);
    memset(&alerts, 0, sizeof alerts);
    alert_limits = (struct lb_wear_limit_settings) { OFF, OFF, 0, false };
    wear_disk("mmcblk0");
    wear_program("python3", "telemetry.service");
    wear_look(0);
    return 0;
}

unsigned watch(uint64_t seconds)
{
    wear_look(seconds);
    memset(events, 0x55, sizeof events);
    event_count = lb_alerts_look(&alerts, &wear.view, &wear.history, &alert_limits, wear.now_ns, events);
    assert_in_range(event_count, 0, LB_ALERTS_AT_ONCE);
    for (unsigned i = 0; i < event_count; i++) {
        assert_true(strnlen(events[i].text, sizeof events[i].text) < sizeof events[i].text - 1);
        assert_true(events[i].text[0] != '\0');
        if (events[i].is_over)
            assert_false(events[i].is_grave);
    }
    return event_count;
}

void is_told(enum lb_wear_what what, const char *text)
{
    assert_int_equal(event_count, 1);
    assert_int_equal(events[0].what, what);
    assert_false(events[0].is_over);
    assert_string_equal(events[0].text, text);
}

void is_told_to_be_over(enum lb_wear_what what, const char *text)
{
    assert_int_equal(event_count, 1);
    assert_int_equal(events[0].what, what);
    assert_true(events[0].is_over);
    assert_string_equal(events[0].text, text);
}

unsigned watch_for(unsigned minutes)
{
    unsigned told = 0;

    for (; minutes > 0; minutes--)
        told += watch(60);
    return told;
}

void watch_anew(void)
{
    memset(&wear.history, 0, sizeof wear.history);
    wear.view.began_ns = 0;
    wear_look(0);
}
