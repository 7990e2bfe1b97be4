/* SPDX-License-Identifier: MIT */
/*
 * What runs short. In: the books and the slow side's meter, the queue's fill, the kernel's word on memory.
 * Out: a step for each service, and a record of our own at each change. Always true: the step that was told
 * last is stored in the commit that has the record which tells it.
 */
#include "agent/capture/shortage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/capture/parts.h"
#include "agent/capture/shortage_parts.h"
#include "agent/store/killpoint.h"
#include "common/clock.h"
#include "common/read_file.h"
#include "common/units.h"

/* Bits of LB_THROTTLE_STEP in our own row: what concerns all. A service's own step is in the lowest. */
#define QUOTA_SHIFT    8
#define PRESSURE_SHIFT 16

/* ---- what the steps are told by ---- */

static uint64_t told_word(const struct lb_capture *capture, uint32_t row)
{
    return lb_commit_get(&capture->state->fast, LB_FAST_THROTTLE, row * LB_THROTTLE_WORDS + LB_THROTTLE_STEP);
}

/* Put a record, and remember in the same commit that it was told. Where there is no room it is told later. */
static void tell(struct lb_capture *capture, uint32_t row, unsigned shift, const struct lb_alert *alert,
                 uint64_t now_ns)
{
    const struct lb_state_name *name = &capture->state->file->name[row];
    unsigned grave = alert->what == LB_ALERT_QUOTA ? LB_QUOTA_STEP_ERRORS : 2;
    struct lb_own own = {
        .kind = LB_KIND_ALERT,
        .severity = alert->step < alert->before ? LB_LEVEL_INFO
                    : alert->step >= grave      ? LB_LEVEL_WARNING
                                                : LB_LEVEL_NOTICE,
        .name = name->text,
        .name_len = name->len,
        .body = alert,
        .body_len = sizeof *alert,
    };
    uint64_t word = told_word(capture, row) & ~((uint64_t)0xff << shift);

    if (lb_own_put(capture, &own, now_ns) == 0)
        lb_commit_set(&capture->state->fast, LB_FAST_THROTTLE, row * LB_THROTTLE_WORDS + LB_THROTTLE_STEP,
                      word | (uint64_t)alert->step << shift);
}

static void tell_quota(struct lb_capture *capture, uint32_t row, unsigned shift,
                       const struct lb_budget *budget, const struct lb_quota *quota, unsigned step,
                       uint64_t now_ns)
{
    char size[32];
    struct lb_alert alert = { .what = LB_ALERT_QUOTA,
                              .step = step,
                              .before = told_word(capture, row) >> shift & 0xff };

    snprintf(alert.text, sizeof alert.text, "%.1f %% of %s/%s is spent with %.1f %% of the %s gone: %s",
             100.0 * (double)budget->spent / (double)budget->limit,
             lb_units_print_human(quota->bytes, size, sizeof size), lb_quota_window_name(quota->window),
             100.0 * budget->at, lb_quota_window_name(quota->window), lb_squeeze_quota_text(step));
    tell(capture, row, shift, &alert, now_ns);
}

static void tell_pressure(struct lb_capture *capture, double fill, unsigned step, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    struct lb_alert alert = { .what = LB_ALERT_PRESSURE,
                              .step = step,
                              .before = told_word(capture, shortage->own_row) >> PRESSURE_SHIFT & 0xff };

    snprintf(alert.text, sizeof alert.text,
             "the queue is %.0f %% full, memory is short %.0f %% of the time: %s", 100 * fill,
             (double)lb_load(&shortage->memory_percent) / 100, lb_squeeze_pressure_text(step));
    tell(capture, shortage->own_row, PRESSURE_SHIFT, &alert, now_ns);
}

/* ---- memory ---- */

static void on_memory_work(struct lb_card_job *job)
{
    static const char front[] = "some avg10=";
    struct lb_shortage *shortage = job->arg;
    char text[256] = "";
    size_t len;
    double percent;

    /* A kernel without it: nothing is ever short. */
    if (lb_read_file("/proc/pressure/memory", text, sizeof text - 1, &len) < 0 ||
        strncmp(text, front, sizeof front - 1) != 0)
        return;
    percent = strtod(text + sizeof front - 1, NULL);
    if (percent >= 0 && percent <= 100)
        lb_store(&shortage->memory_percent, (uint64_t)(percent * 100));
}

static void on_memory_done(struct lb_card_job *job)
{
    struct lb_shortage *shortage = job->arg;
    double percent = (double)lb_load(&shortage->memory_percent) / 100;

    shortage->is_job_out = false;
    /* What was asked for because of a record is looked at also where no other comes. */
    if (lb_squeeze_memory_step(percent, shortage->memory_step) != shortage->memory_step)
        shortage->timer.due_ns = shortage->capture->loop->now_ns;
}

static void ask_for_memory(struct lb_shortage *shortage, uint64_t now_ns)
{
    if (!shortage->card || shortage->is_job_out || now_ns < shortage->memory_ns + LB_SHORTAGE_MEMORY_EVERY_NS)
        return;
    shortage->memory_ns = now_ns;
    shortage->is_job_out = lb_card_submit(shortage->card, LB_CARD_FAST, &shortage->job) == 0;
}

/* ---- the looks ---- */

/* Does any service give way to it? */
static bool heeds_pressure(const struct lb_config *config)
{
    bool heeds = config->throttle.has_pressure;

    for (size_t i = 0; i < config->service_count; i++)
        heeds |= config->services[i].throttle.has_pressure;
    return heeds;
}

double lb_shortage_fill(const struct lb_capture *capture)
{
    const struct lb_ring *ring = capture->ring;
    double used = (double)(lb_ring_head(ring) - lb_ring_tail(ring)), size = (double)ring->size;

    if (lb_link_get(&capture->link->sink_away)) {
        used += (double)lb_link_get(&capture->link->backlog_used);
        size += (double)lb_link_get(&capture->link->backlog_size);
    }
    return used / size;
}

static void look_at_pressure(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    double fill = lb_shortage_fill(capture);
    unsigned step;

    ask_for_memory(shortage, now_ns);
    shortage->fill_step = lb_squeeze_fill_step(fill, shortage->fill_step);
    shortage->memory_step =
        lb_squeeze_memory_step((double)lb_load(&shortage->memory_percent) / 100, shortage->memory_step);
    step = shortage->fill_step > shortage->memory_step ? shortage->fill_step : shortage->memory_step;
    if (step > 0 && !heeds_pressure(capture->config))
        step = 0;
    __atomic_store_n(&shortage->pressure_step, (uint8_t)step, __ATOMIC_RELAXED);
    if (step != (told_word(capture, shortage->own_row) >> PRESSURE_SHIFT & 0xff))
        tell_pressure(capture, fill, step, now_ns);
}

/* Of one quota; whoever has none any more is told so. */
static unsigned look_at_quota(struct lb_capture *capture, uint32_t row, unsigned shift,
                              const struct lb_quota *quota, unsigned before, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    uint32_t told_row = row == LB_METER_ALL ? shortage->own_row : row;
    unsigned told = told_word(capture, told_row) >> shift & 0xff, step = 0;
    struct lb_budget budget;

    if (quota->bytes != LB_OFF) {
        budget = lb_shortage_budget(capture, row, quota, &shortage->span[quota->window], now_ns);
        step = lb_squeeze_quota_step(&budget, before);
        if (step != told)
            tell_quota(capture, told_row, shift, &budget, quota, step, now_ns);
    } else if (told > 0) {
        tell(capture, told_row, shift,
             &(struct lb_alert) { LB_ALERT_QUOTA, 0, told, "there is no quota any more: all is sent" },
             now_ns);
    }
    return step;
}

/* The highest step of a quota, of all and of services: told to the slow side. */
static unsigned most_of_quotas(struct lb_capture *capture)
{
    const struct lb_shortage *shortage = &capture->shortage;
    unsigned most = shortage->quota_step;

    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && capture->state->file->name[row].len > 0; row++)
        if (shortage->service_step[row] > most)
            most = shortage->service_step[row];
    return most;
}

/* Tell who has to know, and look again soon where something is short. */
static void note_steps(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    unsigned most = most_of_quotas(capture);

    if (most != lb_link_get(&capture->link->quota_step))
        lb_link_put(&capture->link->quota_step, most);
    if (shortage->timer.due_ns == LB_NEVER && most + shortage->pressure_step > 0)
        shortage->timer.due_ns = now_ns + LB_SHORTAGE_LOOK_EVERY_NS;
}

static void look_at_all(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    const struct lb_quota *quota = &capture->config->quota;
    unsigned step;

    shortage->looked_ns = now_ns;
    look_at_pressure(capture, now_ns);
    step = look_at_quota(capture, LB_METER_ALL, QUOTA_SHIFT, quota, shortage->quota_step, now_ns);
    __atomic_store_n(&shortage->quota_step, (uint8_t)step, __ATOMIC_RELAXED);
    note_steps(capture, now_ns);
}

static void look_at_service(struct lb_capture *capture, uint32_t row,
                            const struct lb_throttle_config *settings, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    unsigned step;

    shortage->service_ns[row] = now_ns;
    step = look_at_quota(capture, row, 0, &settings->quota, shortage->service_step[row], now_ns);
    __atomic_store_n(&shortage->service_step[row], (uint8_t)step, __ATOMIC_RELAXED);
    note_steps(capture, now_ns);
}

struct lb_squeeze lb_shortage_of(struct lb_capture *capture, uint32_t row,
                                 const struct lb_throttle_config *settings, uint64_t now_ns)
{
    struct lb_shortage *shortage = &capture->shortage;
    unsigned quota;

    row = row < LB_SERVICES_BOOKS ? row : LB_SERVICES_BOOKS - 1;
    if (now_ns != shortage->looked_ns)
        look_at_all(capture, now_ns);
    if (now_ns != shortage->service_ns[row] &&
        (settings->quota.bytes != LB_OFF || shortage->service_step[row]))
        look_at_service(capture, row, settings, now_ns);
    quota = shortage->quota_step > shortage->service_step[row] ? shortage->quota_step
                                                               : shortage->service_step[row];
    return (struct lb_squeeze) { .quota = (uint8_t)quota,
                                 .pressure = settings->has_pressure ? shortage->pressure_step : 0 };
}

/* While something is short it is looked at when nothing comes, too: that it is over is told when it is. */
static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_capture *capture = arg;
    struct lb_shortage *shortage = &capture->shortage;

    shortage->timer.due_ns = LB_NEVER;
    look_at_all(capture, now_ns);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && capture->state->file->name[row].len > 0; row++) {
        const struct lb_state_name *name = &capture->state->file->name[row];

        if (shortage->service_step[row] > 0)
            look_at_service(capture, row,
                            &lb_config_service(capture->config, name->text, name->len)->throttle, now_ns);
        if (!lb_commit_has_room(&capture->state->fast, 256))
            lb_turns_publish(capture, true);
    }
    lb_turns_publish(capture, true);
}

void lb_shortage_start(struct lb_capture *capture)
{
    static const char own_name[] = "logboom";
    struct lb_shortage *shortage = &capture->shortage;
    uint64_t word;

    shortage->capture = capture;
    shortage->job = (struct lb_card_job) { on_memory_work, on_memory_done, shortage };
    shortage->own_row = lb_state_service(capture->state, own_name, sizeof own_name - 1);
    word = told_word(capture, shortage->own_row);
    shortage->quota_step = (uint8_t)(word >> QUOTA_SHIFT);
    shortage->pressure_step = (uint8_t)(word >> PRESSURE_SHIFT);
    shortage->fill_step = shortage->pressure_step;
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        shortage->service_step[row] = (uint8_t)told_word(capture, row);
    shortage->timer = (struct lb_timer) { LB_NEVER, on_timer, capture, NULL };
    lb_loop_add_timer(capture->loop, &shortage->timer);
    note_steps(capture, capture->loop->now_ns);
}
