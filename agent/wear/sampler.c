/* SPDX-License-Identifier: MIT */
/*
 * All looks together. In: /proc and /sys, the time, the agent's books. Out: a view, and events to be told.
 * Always true: a view is of one look; a look that finds nothing leaves the counts as they were.
 */
#include "agent/wear/sampler.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/wear/boot_reason.h"
#include "agent/wear/figures.h"
#include "agent/wear/filesystems.h"
#include "agent/wear/kernel_log.h"
#include "agent/wear/writers.h"

#define NS_PER_S 1000000000ull

struct lb_sampler {
    char root[PATH_MAX];
    int own_pid;
    struct lb_disks disks;
    struct lb_filesystems filesystems;
    struct lb_writers *writers;
    struct lb_kernel_log kernel_log;
    struct lb_history history;
    struct lb_alerts alerts;
    struct lb_wear_view view;
    uint64_t looked[LB_WEAR_DISKS]; /* bytes that each disk was written since the first look */
    uint64_t medium[LB_WEAR_DISKS]; /* of which medium that is */
};

struct lb_sampler *lb_sampler_new(const char *root, int own_pid)
{
    struct lb_sampler *sampler = calloc(1, sizeof *sampler);

    if (!sampler)
        return NULL;
    snprintf(sampler->root, sizeof sampler->root, "%s", root);
    sampler->own_pid = own_pid;
    sampler->writers = lb_writers_new();
    if (!sampler->writers) {
        free(sampler);
        return NULL;
    }
    lb_boot_reason(root, sampler->view.boot_reason, sizeof sampler->view.boot_reason);
    return sampler;
}

void lb_sampler_free(struct lb_sampler *sampler)
{
    if (sampler)
        lb_writers_free(sampler->writers);
    free(sampler);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0
               ? (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec
               : 0;
}

/* What is told of that which may not be seen. */
static void note_missing(struct lb_sampler *sampler)
{
    struct lb_wear_view *view = &sampler->view;
    size_t used = 0, size = sizeof view->missing;

    view->missing[0] = '\0';
    if (view->processes_refused > 0)
        used = (size_t)snprintf(
            view->missing, size,
            "%u of %u processes may not be looked at: what they write counts as unattributed; ",
            view->processes_refused, view->processes_seen + view->processes_refused);
    if (sampler->kernel_log.error < 0)
        used += (size_t)snprintf(view->missing + used, size - used,
                                 "the kernel's log may not be read, so its I/O errors are not told; ");
    if (used > 0)
        snprintf(view->missing + used, size - used, "the drop-in wear-full.conf lets logboomd see them");
}

static void show_disks(struct lb_sampler *sampler)
{
    struct lb_wear_view *view = &sampler->view;

    view->disks = sampler->disks.count;
    view->disks_left_out = sampler->disks.left_out;
    memcpy(view->disk, sampler->disks.disk, sizeof view->disk);
    view->filesystems = sampler->filesystems.count;
    memcpy(view->filesystem, sampler->filesystems.at, sizeof view->filesystem);
    for (uint32_t disk = 0; disk < view->disks; disk++) {
        if (sampler->medium[disk] != view->disk[disk].medium)
            sampler->looked[disk] = 0;
        sampler->medium[disk] = view->disk[disk].medium;
        sampler->looked[disk] += view->disk[disk].delta_bytes;
    }
}

unsigned lb_sampler_look(struct lb_sampler *sampler, const struct lb_wear_settings *settings,
                         const struct lb_wear_input *input, struct lb_wear_event *ret_events)
{
    struct lb_wear_view *view = &sampler->view;
    struct lb_wear_limits limits = { .endurance_bytes = settings->endurance_bytes };
    uint64_t began_ns = cpu_ns(), now_ns = input->now_ns;
    uint32_t moved[LB_WEAR_PROGRAMS];
    unsigned events;

    if (lb_disks_sample(&sampler->disks, sampler->root, settings->devices, now_ns) < 0)
        return 0;
    lb_filesystems_sample(&sampler->filesystems, sampler->root, &sampler->disks);
    if (sampler->root[0] == '\0') /* the kernel's log is this machine's */
        lb_kernel_log_look(&sampler->kernel_log, &sampler->disks);
    lb_writers_sample(sampler->writers, sampler->root, &sampler->disks, sampler->own_pid, now_ns);
    if (view->began_ns == 0)
        view->began_ns = now_ns;
    view->sampled_ns = now_ns;
    view->uptime_s = now_ns / NS_PER_S;
    view->wall_offset_ns = input->wall_offset_ns;
    show_disks(sampler);
    view->findings =
        lb_filesystems_find(&sampler->filesystems, sampler->root, &sampler->disks, view->finding);
    lb_writers_view(sampler->writers, view, moved);
    note_missing(sampler);
    lb_history_note(&sampler->history, view, moved, &input->books, settings->history_s, now_ns);
    lb_history_show(&sampler->history, view);
    lb_figures_make(view, &sampler->history, &limits, sampler->looked);
    events = lb_alerts_look(&sampler->alerts, view, &sampler->history, &settings->limits, now_ns, ret_events);
    view->cost_ns = cpu_ns() - began_ns;
    return events;
}

const struct lb_wear_view *lb_sampler_view(const struct lb_sampler *sampler)
{
    return &sampler->view;
}

uint64_t lb_sampler_bytes(void)
{
    return sizeof(struct lb_sampler) + 2 * sizeof(struct lb_wear_view);
}
