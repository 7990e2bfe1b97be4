/* SPDX-License-Identifier: MIT */
/*
 * The report of a command's end (states: exit_report.h). In: how it ended, the
 * agent's answers, the time. Out: one packet, answered. Always true: it is the
 * same packet each time; after TAKEN or REFUSED nothing is sent any more.
 */
#include "agent/cli/exit_report.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/cli/intake_link.h"
#include "common/clock.h"

#define BACKOFF_MIN_NS (20 * LB_NS_PER_MS)
#define BACKOFF_MAX_NS (250 * LB_NS_PER_MS) /* as the streams have it: an agent is met while it is there */
#define HANG_UPS_MAX   3
#define AT_ONCE_NS     (1 * LB_NS_PER_S) /* who hangs up later may have meant to take it */

/* Put a text behind the packet. Returns its length there. */
static uint16_t append(struct lb_exit_report *report, const char *text, size_t max)
{
    size_t len = strnlen(text, max);

    memcpy(report->packet.bytes + report->len, text, len);
    report->len += len;
    return (uint16_t)len;
}

static uint32_t flags_of(const struct lb_ending *ending)
{
    return (ending->is_signalled ? LB_PROTO_EXIT_SIGNALLED : 0u) |
           (ending->has_core ? LB_PROTO_EXIT_CORE : 0u) | (ending->is_oom ? LB_PROTO_EXIT_OOM : 0u);
}

/* 0 | -errno */
static int draw_id(uint64_t *ret_id)
{
    *ret_id = 0;
    while (*ret_id == 0)
        if (getrandom(ret_id, sizeof *ret_id, 0) < 0 && errno != EINTR)
            return -errno;
    return 0;
}

int lb_exit_report_open(struct lb_exit_report *report, const struct lb_exit_report_source *source,
                        const struct lb_ending *ending, uint64_t now_ns)
{
    struct lb_proto_exit *packet = &report->packet.exit;

    *report = (struct lb_exit_report) { .socket_fd = -1, .backoff_ns = BACKOFF_MIN_NS, .retry_ns = now_ns };
    report->len = sizeof *packet;
    packet->stream_id[0] = source->stream_id[0];
    packet->stream_id[1] = source->stream_id[1];
    packet->started_ns = ending->started_ns;
    packet->ended_ns = ending->ended_ns;
    packet->cpu_us = ending->cpu_us;
    packet->peak_rss_kib = ending->peak_rss_kib;
    packet->source_pid = (uint32_t)source->pid;
    packet->code = (uint32_t)ending->code;
    packet->flags = flags_of(ending);
    packet->service_len = append(report, source->service, LB_PROTO_SERVICE_MAX);
    packet->tags_len = append(report, source->tags, LB_PROTO_TAGS_MAX);
    packet->name_len = append(report, source->name, LB_PROTO_NAME_MAX);
    lb_proto_head_init(&packet->head, LB_PROTO_EXIT, report->len);
    report->random = now_ns;
    return draw_id(&packet->exit_id);
}

void lb_exit_report_close(struct lb_exit_report *report)
{
    if (report->socket_fd >= 0)
        close(report->socket_fd);
    report->socket_fd = -1;
}

/* Somewhere in the upper half of the backoff, so that a thousand clients do not come in step. */
static uint64_t next_backoff_ns(struct lb_exit_report *report)
{
    uint64_t backoff_ns = report->backoff_ns;

    /* An LCG is random enough for that, and the ids of a thousand clients differ. */
    report->random =
        (report->random ^ report->packet.exit.exit_id) * 6364136223846793005ull + 1442695040888963407ull;
    report->backoff_ns = backoff_ns * 2 < BACKOFF_MAX_NS ? backoff_ns * 2 : BACKOFF_MAX_NS;
    return backoff_ns / 2 + backoff_ns / 2 * (report->random >> 32) / UINT32_MAX;
}

static void try_again(struct lb_exit_report *report, const char *reason, uint64_t now_ns)
{
    lb_exit_report_close(report);
    report->phase = LB_EXIT_REPORT_AWAY;
    report->retry_ns = now_ns + next_backoff_ns(report);
    snprintf(report->reason, sizeof report->reason, "%s", reason);
}

static void end(struct lb_exit_report *report, enum lb_exit_report_phase phase, const char *reason)
{
    lb_exit_report_close(report);
    report->phase = phase;
    snprintf(report->reason, sizeof report->reason, "%s", reason);
}

static void send_it(struct lb_exit_report *report, uint64_t now_ns)
{
    report->socket_fd = lb_intake_link_connect();
    if (report->socket_fd < 0) {
        report->hang_ups = 0; /* it was not there for a moment: the next one is another */
        try_again(report, strerror(-report->socket_fd), now_ns);
    } else if (send(report->socket_fd, report->packet.bytes, report->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        try_again(report, strerror(errno), now_ns);
    } else {
        report->phase = LB_EXIT_REPORT_SENT;
        report->sent_ns = now_ns;
        snprintf(report->reason, sizeof report->reason, "the agent has not answered");
    }
}

static void on_hang_up(struct lb_exit_report *report, uint64_t now_ns)
{
    static const char reason[] = "the agent hangs up on it";

    report->hang_ups = now_ns - report->sent_ns < AT_ONCE_NS ? report->hang_ups + 1 : 0;
    if (report->hang_ups < HANG_UPS_MAX)
        try_again(report, reason, now_ns);
    else
        end(report, LB_EXIT_REPORT_REFUSED, reason);
}

static void receive(struct lb_exit_report *report, uint64_t now_ns)
{
    struct lb_intake_answer answer;
    int error = lb_intake_link_receive(report->socket_fd, &answer);

    if (error == -EAGAIN)
        return;
    if (error != 0)
        on_hang_up(report, now_ns); /* or says what nobody can understand, which comes to the same */
    else if (answer.type == LB_PROTO_TAKEN)
        end(report, LB_EXIT_REPORT_TAKEN, "");
    else if (answer.type == LB_PROTO_REFUSED)
        end(report, LB_EXIT_REPORT_REFUSED, "");
    else
        on_hang_up(report, now_ns);
}

/* Rounded up, so that it is time when poll comes back. */
static int ms_until(uint64_t until_ns, uint64_t now_ns)
{
    uint64_t ms = until_ns <= now_ns ? 0 : (until_ns - now_ns + LB_NS_PER_MS - 1) / LB_NS_PER_MS;

    return ms < INT_MAX ? (int)ms : INT_MAX;
}

bool lb_exit_report_wait(struct lb_exit_report *report, int signal_fd, uint64_t until_ns)
{
    struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
                            { .fd = report->socket_fd, .events = POLLIN } };
    uint64_t now_ns = lb_clock_boot_ns();

    if (report->phase == LB_EXIT_REPORT_AWAY && report->retry_ns < until_ns)
        until_ns = report->retry_ns;
    if (poll(fds, 2, ms_until(until_ns, now_ns)) < 0)
        return false;
    now_ns = lb_clock_boot_ns();
    if (report->phase == LB_EXIT_REPORT_SENT)
        receive(report, now_ns);
    if (report->phase == LB_EXIT_REPORT_AWAY && now_ns >= report->retry_ns)
        send_it(report, now_ns);
    return fds[0].revents & POLLIN;
}
