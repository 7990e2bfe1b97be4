/* SPDX-License-Identifier: MIT */
/*
 * journalctl as an input. In: a child that prints entries as they come. Out: bytes for journal_entries.c.
 * Always true: a child that ends is started again behind the cursor that is committed, so nothing is lost and
 * nothing comes twice; while the ring has no room its pipe fills and it waits.
 *
 *     start (card side) ──▶ runs ──▶ ended ──▶ wait 250 ms ... 1 min ──▶ start
 *
 * A child, not libsystemd: that library maps the journal's files and brings four compressors, and one that
 * hangs on a card or dies of a damaged file must not be the agent.
 */
#include "agent/capture/journal_input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/unit_name.h"

#define WAIT_MIN_NS  (250 * LB_NS_PER_MS)
#define WAIT_MAX_NS  (60 * LB_NS_PER_S)
#define BELIEVE_NS   (10 * LB_NS_PER_S) /* who runs so long without a complaint works */
#define DRAIN_READS  16
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* ---- the command ---- */

static bool has_glob(const char *text)
{
    return strpbrk(text, "*?[") != NULL;
}

/*
 * journalctl looks up a glob once, among the units that the journal knows then: one that comes later would be
 * missed. So it is asked for plain names alone, and we choose ourselves in any case.
 */
static unsigned add_units(struct lb_journal_input *journal, unsigned argc)
{
    char *rest = NULL;

    free(journal->units);
    journal->units = strdup(journal->input->config.units);
    if (!journal->units || has_glob(journal->units))
        return argc;
    for (char *unit = strtok_r(journal->units, " \t", &rest); unit && argc + 2 < LB_JOURNAL_ARGS;
         unit = strtok_r(NULL, " \t", &rest)) {
        journal->argv[argc++] = (char *)(uintptr_t) "-u";
        journal->argv[argc++] = unit;
    }
    return argc;
}

static uint64_t monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/*
 * Without a cursor, and from the end: the last entry that is there is printed too. It is put nowhere, but its
 * cursor is kept, so that who is killed before the next one comes does not pass that over. Where the first
 * try failed, what came since is to be found: all of this boot is printed, and we pass over what is older.
 */
static void make_command(struct lb_journal_input *journal)
{
    static const char *const always[] = { "journalctl", "-o", "export", "--follow" };
    char cursor[LB_JOURNAL_CURSOR_BYTES + 1];
    const char *from = "--no-tail";
    unsigned argc = 0;

    lb_journal_entries_cursor(journal, cursor);
    for (; argc < sizeof always / sizeof always[0]; argc++)
        journal->argv[argc] = (char *)(uintptr_t)always[argc];
    if (cursor[0] == '\0' && journal->input->config.start == LB_START_END) {
        if (journal->has_tried)
            journal->argv[argc++] = (char *)(uintptr_t) "--boot";
        else
            from = "--lines=1";
        journal->skips_old = true;
    }
    journal->argv[argc++] = (char *)(uintptr_t)from;
    if (cursor[0] != '\0') {
        snprintf(journal->after_cursor, sizeof journal->after_cursor, "--after-cursor=%s", cursor);
        journal->argv[argc++] = journal->after_cursor;
    }
    argc = add_units(journal, argc);
    journal->argv[argc] = NULL;
    journal->has_tried = true;
}

/* ---- its end ---- */

static void listen_to(struct lb_journal_input *journal, bool is_wanted)
{
    if (journal->is_waiting != is_wanted)
        return;
    journal->is_waiting = !is_wanted;
    /* Not only no events: the end of a pipe is told whether it is asked for or not. */
    if (is_wanted)
        lb_loop_add(journal->capture->loop, &journal->out, EPOLLIN);
    else
        lb_loop_remove(journal->capture->loop, &journal->out);
}

static void close_err(struct lb_journal_input *journal)
{
    if (journal->child.err_fd < 0)
        return;
    lb_loop_remove(journal->capture->loop, &journal->err);
    close(journal->child.err_fd);
    journal->child.err_fd = -1;
}

static void close_pipes(struct lb_journal_input *journal)
{
    if (journal->child.out_fd >= 0) {
        if (!journal->is_waiting)
            lb_loop_remove(journal->capture->loop, &journal->out);
        close(journal->child.out_fd);
        journal->child.out_fd = -1;
    }
    close_err(journal);
}

/* The journal that the cursor is of is gone, or made anew: what came since our own start is read. */
static void forget_cursor(struct lb_journal_input *journal)
{
    lb_log(LB_LEVEL_WARNING,
           "input %s: the journal does not know our cursor any more: what it had in between "
           "is not read",
           journal->input->config.name);
    for (unsigned word = LB_INPUT_CURSOR; word < LB_INPUT_WORDS; word++)
        lb_input_set(journal->input, word, 0);
    lb_turns_publish(journal->capture, false);
}

static void try_again(struct lb_journal_input *journal, const char *why)
{
    journal->wait_ns = journal->is_heard                    ? WAIT_MIN_NS
                       : journal->wait_ns * 2 < WAIT_MAX_NS ? journal->wait_ns * 2
                                                            : WAIT_MAX_NS;
    journal->timer.due_ns = journal->capture->loop->now_ns + journal->wait_ns;
    /* One that worked and ended (journald was replaced, somebody killed it) is no trouble yet. */
    lb_input_tell(journal->input, journal->is_heard ? LB_INPUT_WAITING : LB_INPUT_FAILED,
                  journal->is_heard ? "" : why);
}

static void on_err(void *arg, uint32_t events);

static void end_child(struct lb_journal_input *journal, const char *why)
{
    char text[sizeof journal->complaint + 32];

    if (journal->child.err_fd >= 0)
        on_err(journal, EPOLLIN); /* its last words */
    close_pipes(journal);
    journal->last_pid = journal->child.pid;
    journal->child.pid = 0;
    journal->at = journal->len = 0;
    lb_journal_init(&journal->parser, journal->message, LB_JOURNAL_MESSAGE_MAX);
    snprintf(text, sizeof text, "%s%s%s", why, journal->complaint[0] ? ": " : "", journal->complaint);
    if (!journal->is_heard && strstr(journal->complaint, "cursor") && journal->input->has_row)
        forget_cursor(journal);
    try_again(journal, text);
}

/* ---- its words ---- */

static void take(struct lb_journal_input *journal)
{
    bool was_heard = journal->is_heard;
    int rc = lb_journal_entries_take(journal);

    if (journal->is_heard && !was_heard)
        lb_input_tell(journal->input, LB_INPUT_READING, "");
    if (rc == -EAGAIN)
        listen_to(journal, false);
    else if (rc < 0)
        end_child(journal, "journalctl prints no journal");
}

/* One bufferful. false: there is no more now, or it may not be read */
static bool read_some(struct lb_journal_input *journal)
{
    ssize_t got;

    if (journal->child.out_fd < 0 || journal->is_waiting)
        return false;
    got = read(journal->child.out_fd, journal->buf, LB_JOURNAL_READ_BYTES);
    if (got < 0)
        return errno == EINTR;
    if (got == 0) {
        end_child(journal, "journalctl ended");
        return false;
    }
    journal->at = 0;
    journal->len = (size_t)got;
    take(journal);
    return true;
}

static void on_out(void *arg, uint32_t events)
{
    struct lb_journal_input *journal = arg;

    (void)events;
    if (journal->capture->is_stopping)
        listen_to(journal, false); /* what comes now is the next agent's */
    else
        read_some(journal);
}

/* Keep its last line, for people. */
static void on_err(void *arg, uint32_t events)
{
    struct lb_journal_input *journal = arg;
    char buf[1024], *line;
    ssize_t got = read(journal->child.err_fd, buf, sizeof buf - 1);

    (void)events;
    if (got == 0)
        close_err(journal);
    if (got <= 0)
        return;
    while (got > 0 && buf[got - 1] == '\n')
        got--;
    if (got == 0)
        return;
    buf[got] = '\0';
    line = strrchr(buf, '\n');
    line = line ? line + 1 : buf;
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    snprintf(journal->complaint, sizeof journal->complaint, "%.*s", (int)sizeof journal->complaint - 1, line);
}

void lb_journal_input_resume(struct lb_input *input)
{
    struct lb_journal_input *journal = input->journal;
    int rc;

    if (!journal->is_waiting || journal->child.out_fd < 0 || journal->capture->is_stopping)
        return;
    if (journal->stream.is_stalled) {
        journal->stream.is_stalled = false;
        journal->capture->stalled_count--;
    }
    rc = lb_journal_entries_take(journal);
    if (rc == 0)
        listen_to(journal, true);
    else if (rc != -EAGAIN)
        end_child(journal, "journalctl prints no journal");
}

void lb_journal_input_drain(struct lb_input *input)
{
    for (unsigned i = 0; i < DRAIN_READS && read_some(input->journal); i++)
        ;
}

/* ---- its start ---- */

static void on_start_work(struct lb_card_job *job)
{
    struct lb_journal_input *journal = job->arg;

    lb_journal_child_end(journal->last_pid);
    journal->last_pid = 0;
    journal->start_rc = lb_journal_child_start(journal->argv, &journal->child);
}

static void on_start_done(struct lb_card_job *job)
{
    struct lb_journal_input *journal = job->arg;
    struct lb_loop *loop = journal->capture->loop;
    char why[128];

    journal->is_heard = false;
    journal->complaint[0] = '\0';
    if (journal->start_rc < 0) {
        snprintf(why, sizeof why, "cannot start journalctl: %s", strerror(-journal->start_rc));
        journal->wait_ns = WAIT_MAX_NS; /* nothing that a second would change */
        try_again(journal, why);
        return;
    }
    journal->out.fd = journal->child.out_fd;
    journal->err.fd = journal->child.err_fd;
    journal->is_waiting = false;
    lb_loop_add(loop, &journal->out, EPOLLIN);
    lb_loop_add(loop, &journal->err, EPOLLIN);
    journal->timer.due_ns = loop->now_ns + BELIEVE_NS;
}

static void on_timer(void *arg, uint64_t now_ns)
{
    struct lb_journal_input *journal = arg;

    if (journal->capture->is_stopping)
        return;
    if (journal->child.pid > 0) { /* it runs: what it complained of, it told by now */
        journal->wait_ns = WAIT_MIN_NS;
        lb_input_tell(journal->input, LB_INPUT_READING, journal->complaint);
        return;
    }
    make_command(journal);
    journal->job = (struct lb_card_job) { on_start_work, on_start_done, journal };
    if (lb_card_submit(&journal->input->inputs->card, LB_CARD_FAST, &journal->job) < 0)
        journal->timer.due_ns = now_ns + WAIT_MIN_NS;
}

/* The kernel's boot id as journald writes it: without hyphens. */
static void read_boot_id(char *buf, size_t size)
{
    int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
    char text[64];
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text);
    size_t len = 0;

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < got && len + 1 < size; i++)
        if (text[i] != '-' && text[i] != '\n')
            buf[len++] = text[i];
    buf[len] = '\0';
}

int lb_journal_input_start(struct lb_input *input)
{
    struct lb_journal_input *journal = calloc(1, sizeof *journal);
    const struct lb_input_config *config = &input->config;

    if (!journal)
        return -ENOMEM;
    input->journal = journal;
    journal->input = input;
    journal->capture = input->inputs->capture;
    journal->message = malloc(LB_JOURNAL_MESSAGE_MAX); /* touched only as far as messages reach */
    journal->buf = malloc(LB_JOURNAL_READ_BYTES);
    if (!journal->message || !journal->buf)
        return -ENOMEM;
    lb_journal_init(&journal->parser, journal->message, LB_JOURNAL_MESSAGE_MAX);
    journal->child = (struct lb_journal_child) { 0, -1, -1 };
    journal->out = (struct lb_watch) { -1, on_out, journal };
    journal->err = (struct lb_watch) { -1, on_err, journal };
    journal->name.tags_len = (uint16_t)strlen(config->tags);
    memcpy(journal->name.tags, config->tags, journal->name.tags_len);
    journal->stream = (struct lb_stream) {
        .capture = journal->capture, .name = &journal->name, .watch.fd = -1, .waits_for_room = true
    };
    if (getrandom(&journal->stream_id, sizeof journal->stream_id, GRND_NONBLOCK) < 0)
        journal->stream_id = lb_clock_boot_ns();
    journal->own_unit_len = lb_peer_unit(0, journal->own_unit, sizeof journal->own_unit);
    read_boot_id(journal->boot_id, sizeof journal->boot_id);
    journal->wait_ns = WAIT_MIN_NS;
    journal->since_us = monotonic_us();
    journal->timer = (struct lb_timer) { journal->capture->loop->now_ns, on_timer, journal, NULL };
    lb_loop_add_timer(journal->capture->loop, &journal->timer);
    return 0;
}

void lb_journal_input_stop(struct lb_input *input)
{
    struct lb_journal_input *journal = input->journal;

    close_pipes(journal);
    if (journal->child.pid > 0)
        kill(journal->child.pid, SIGKILL); /* it did when its thread ended; nobody waits for it here */
    if (journal->timer.fire)
        lb_loop_remove_timer(journal->capture->loop, &journal->timer);
    free(journal->units);
    free(journal->message);
    free(journal->buf);
    free(journal);
}
