/* SPDX-License-Identifier: MIT */
/*
 * `logboom top`, put together. In: a clock's beat, keys, signals, answers of an agent. Out: a screen, or
 * text.
 *
 *     beat ─▶ question ─▶ answer ─▶ look at the rings ─▶ draw
 *     key, another size ──────────────────────────────▶ draw
 *
 * Always true: whatever ends it, the terminal is as it was. An agent that goes away is waited for on a
 * terminal; a script is told.
 */
#include "agent/offline/top.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/offline/top_follow.h"
#include "agent/offline/top_link.h"
#include "agent/offline/top_options.h"
#include "agent/offline/top_rows.h"
#include "agent/offline/top_screen.h"
#include "agent/offline/top_terminal.h"
#include "common/clock.h"
#include "common/units.h"

#define FIRST_RATES_NS (LB_NS_PER_S / 2) /* the first screen has no rates: the second one comes soon */
#define ESCAPE_WAIT_NS (LB_NS_PER_S / 20)
#define TEXT_WIDTH     120u /* of a line where nobody says how wide it may be */

struct top {
    struct lb_top_options options;
    struct lb_loop loop;
    struct lb_top_link link;
    struct lb_top_follow follow;
    struct lb_top_terminal terminal;
    struct lb_top_keys keys;
    struct lb_watch signals, input, output;
    struct lb_timer beat, escape;
    struct lb_top_status *now, *before, *next; /* next: room for the answer to come */
    bool has_now, has_before;
    uint64_t looked_ns, away_since_ns;
    int away_error; /* 0: it is there */
    int rings_error;
    struct lb_top_canvas canvas;
    struct lb_top_came came[LB_TOP_SERVICES];
    struct lb_top_pattern pattern[LB_TOP_ROWS_BEST];
    unsigned patterns;
    char trouble[256];
    bool is_live, is_over, must_clear;
    uint64_t shown;   /* screens that bore rates, or snapshots */
    int code, signal; /* signal: that ended it, and is to be seen to have */
};

static void end(struct top *top, int code)
{
    top->is_over = true;
    top->code = code;
}

/* The terminal is gone: ended as by the signal that tells so, and which may come later, or be somebody
 * else's. */
static void hang_up(struct top *top)
{
    top->signal = SIGHUP;
    end(top, 1);
}

/* ---- drawing ---- */

static void size_of(const struct top *top, unsigned *width, unsigned *height)
{
    const char *columns = getenv("COLUMNS");
    uint64_t number = 0;

    if (top->is_live) {
        lb_top_terminal_size(&top->terminal, width, height);
        return;
    }
    *width = TEXT_WIDTH;
    if (columns && lb_units_number(columns, &number) == 0 && number > 0 && number <= LB_TOP_COLUMNS_MAX)
        *width = (unsigned)number;
    *height = LB_TOP_LINES_MAX;
}

static const char *trouble_of(struct top *top)
{
    unsigned long long s = (top->loop.now_ns - top->away_since_ns) / LB_NS_PER_S;

    if (top->away_error == 0)
        return NULL;
    snprintf(top->trouble, sizeof top->trouble,
             "NO AGENT for %llu s (%s): trying again; what is below is old", s, strerror(-top->away_error));
    return top->trouble;
}

static const char *why_no_rings(const struct top *top)
{
    if (top->follow.is_open)
        return NULL;
    return top->rings_error ? strerror(-top->rings_error) : "not looked yet";
}

static void draw(struct top *top)
{
    struct lb_top_view view = {
        .now = top->now,
        .before = top->has_before ? top->before : NULL,
        .pattern = top->pattern,
        .window_s = lb_top_patterns_window(top->follow.patterns),
        .share = lb_top_patterns_share(top->follow.patterns),
        .trouble = trouble_of(top),
        .no_rings = why_no_rings(top),
        .interval_s = (double)top->options.interval_ms / 1000,
        .keys = &top->keys,
        .is_live = top->is_live,
    };
    unsigned width, height;

    if (!top->has_now)
        return;
    view.patterns =
        lb_top_patterns_best(top->follow.patterns, top->keys.filter, top->pattern, LB_TOP_ROWS_BEST);
    size_of(top, &width, &height);
    lb_top_canvas_clear(&top->canvas, width, height, top->options.is_utf8);
    lb_top_screen_draw(&view, &top->canvas);
}

static void show(struct top *top)
{
    if (!top->has_now || top->is_over)
        return;
    lb_top_terminal_enter(
        &top->terminal); /* there is something to show: before, the shell is told what fails */
    draw(top);
    if (!lb_top_terminal_show(&top->terminal, &top->canvas, top->must_clear))
        hang_up(top);
    top->must_clear = false;
    lb_loop_change(&top->loop, &top->output, lb_top_terminal_is_behind(&top->terminal) ? EPOLLOUT : 0);
}

static void print(struct top *top)
{
    draw(top);
    if (top->shown > 0)
        putchar('\n');
    for (unsigned i = 0; i < top->canvas.lines; i++) {
        const struct lb_top_line *line = &top->canvas.line[i];
        size_t len = line->len;

        while (len > 0 && top->canvas.text[line->at + len - 1] == ' ')
            len--;
        fwrite(top->canvas.text + line->at, 1, len, stdout);
        putchar('\n');
    }
    if (fflush(stdout) != 0)
        end(top, errno == EPIPE ? 0 : 1);
}

/* ---- the agent ---- */

/* Rings of another agent, or none yet. */
static void follow_rings(struct top *top, bool is_another)
{
    if (top->follow.is_open && !is_another)
        return;
    top->rings_error = lb_top_follow_open(&top->follow);
    top->looked_ns = lb_clock_boot_ns();
}

static void look(struct top *top)
{
    uint64_t now_ns = lb_clock_boot_ns();
    unsigned count;

    if (!top->follow.is_open || now_ns <= top->looked_ns)
        return;
    count = lb_top_rows_came(top->now, top->has_before ? top->before : NULL, top->came);
    lb_top_follow_look(&top->follow, (double)(now_ns - top->looked_ns) / 1e9, top->came, count);
    top->looked_ns = now_ns;
}

static void on_away(struct top *top, int error)
{
    if (!top->has_now || !top->is_live) {
        fprintf(stderr, "logboom top: the agent cannot be reached: %s\n", strerror(-error));
        end(top, 3);
        return;
    }
    if (top->away_error == 0)
        top->away_since_ns = top->loop.now_ns;
    top->away_error = error;
    show(top);
}

/* The statuses change places: what was now is before, and the room of that one is for the next answer. */
static void adopt(struct top *top)
{
    struct lb_top_status *room = top->before;
    bool is_another = !top->has_now || top->next->pid != top->now->pid ||
                      strcmp(top->next->ring_id, top->now->ring_id) != 0;

    top->before = top->now;
    top->has_before = top->has_now;
    top->now = top->next;
    top->has_now = true;
    top->next = room;
    follow_rings(top, is_another);
}

static void on_answer(void *arg, int error, const char *text, size_t len)
{
    struct top *top = arg;

    if (error == 0 && !lb_top_status_read(text, len, top->next))
        error = -EPROTO;
    if (error != 0) {
        on_away(top, error);
        return;
    }
    if (top->keys.is_paused)
        return;
    top->away_error = 0;
    adopt(top);
    look(top);
    if (!top->has_before) {
        top->beat.due_ns = top->loop.now_ns + FIRST_RATES_NS;
        if (!top->is_live || FIRST_RATES_NS > top->options.interval_ms * LB_NS_PER_MS)
            top->beat.due_ns = top->loop.now_ns + top->options.interval_ms * LB_NS_PER_MS;
    }
    if (top->is_live)
        show(top);
    else if (top->has_before)
        print(top);
    top->shown += top->has_before;
    if (!top->is_over && top->options.count > 0 && top->shown >= top->options.count)
        end(top, 0);
}

static void on_beat(void *arg, uint64_t now_ns)
{
    struct top *top = arg;

    top->beat.due_ns = now_ns + top->options.interval_ms * LB_NS_PER_MS;
    if (top->keys.is_paused)
        return;
    lb_top_link_ask(&top->link, now_ns);
    if (top->away_error != 0) /* since when, grows */
        show(top);
}

/* ---- keys, signals, the terminal ---- */

static void on_keys_taken(struct top *top, bool was_paused)
{
    if (top->keys.is_over) {
        end(top, 0);
        return;
    }
    if (was_paused && !top->keys.is_paused) {
        lb_top_follow_skip(&top->follow);
        top->looked_ns = lb_clock_boot_ns();
        top->beat.due_ns = 0;
    }
    top->escape.due_ns = top->keys.escape ? top->loop.now_ns + ESCAPE_WAIT_NS : LB_NEVER;
    show(top);
}

static void on_input(void *arg, uint32_t events)
{
    struct top *top = arg;
    bool was_paused = top->keys.is_paused;
    char bytes[256];
    ssize_t got = read(top->input.fd, bytes, sizeof bytes);

    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        hang_up(top);
        return;
    }
    lb_top_keys_take(&top->keys, bytes, (size_t)got);
    on_keys_taken(top, was_paused);
}

static void on_escape(void *arg, uint64_t now_ns)
{
    struct top *top = arg;

    (void)now_ns;
    top->escape.due_ns = LB_NEVER;
    lb_top_keys_pause(&top->keys);
    show(top);
}

static void on_output(void *arg, uint32_t events)
{
    struct top *top = arg;

    if ((events & (EPOLLERR | EPOLLHUP)) || !lb_top_terminal_write(&top->terminal)) {
        hang_up(top);
        return;
    }
    if (!lb_top_terminal_is_behind(&top->terminal))
        show(top); /* what was asked for meanwhile */
}

/* Stopped by the shell's user, as any other program: the screen is given back meanwhile. */
static void stop(struct top *top)
{
    lb_top_terminal_leave(&top->terminal);
    kill(getpid(), SIGSTOP);
}

/* Whoever stopped us may not have asked, and the shell has changed the terminal since then. */
static void go_on(struct top *top)
{
    lb_top_terminal_leave(&top->terminal);
    top->must_clear = true;
    show(top);
}

static void on_signal(void *arg, uint32_t events)
{
    struct top *top = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(top->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGWINCH) {
            top->must_clear = true;
            show(top);
        } else if (info.ssi_signo == SIGTSTP) {
            stop(top);
        } else if (info.ssi_signo == SIGCONT) {
            go_on(top);
        } else {
            top->signal = info.ssi_signo == SIGINT ? 0 : (int)info.ssi_signo;
            end(top, 0);
        }
    }
}

static int watch_signals(struct top *top)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (top->is_live) {
        sigaddset(&set, SIGTSTP);
        sigaddset(&set, SIGCONT);
        sigaddset(&set, SIGWINCH);
    }
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    top->signals = (struct lb_watch) { signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, top };
    return top->signals.fd < 0 ? -errno : lb_loop_add(&top->loop, &top->signals, EPOLLIN);
}

static int watch_terminal(struct top *top)
{
    int rc;

    top->input = (struct lb_watch) { top->terminal.in_fd, on_input, top };
    top->output = (struct lb_watch) { top->terminal.out_fd, on_output, top };
    rc = lb_loop_add(&top->loop, &top->output, 0);
    if (rc == 0 && top->input.fd >= 0)
        rc = lb_loop_add(&top->loop, &top->input, EPOLLIN);
    return rc;
}

/* ---- start and end ---- */

static int start(struct top *top)
{
    int rc = lb_loop_init(&top->loop);

    if (rc == 0)
        rc = watch_signals(top);
    top->follow.patterns = lb_top_patterns_make();
    top->now = calloc(3, sizeof *top->now);
    if (!top->follow.patterns || !top->now)
        return -ENOMEM;
    top->before = top->now + 1;
    top->next = top->now + 2;
    top->link.loop = &top->loop;
    top->link.done = on_answer;
    top->link.ctx = top;
    lb_top_link_open(&top->link);
    top->beat = (struct lb_timer) { 0, on_beat, top, NULL };
    top->escape = (struct lb_timer) { LB_NEVER, on_escape, top, NULL };
    lb_loop_add_timer(&top->loop, &top->beat);
    lb_loop_add_timer(&top->loop, &top->escape);
    return rc == 0 && top->is_live ? watch_terminal(top) : rc;
}

static int run(struct top *top)
{
    int rc = 0;

    while (rc == 0 && !top->is_over)
        rc = lb_loop_turn(&top->loop, true);
    return rc;
}

static void finish(struct top *top, struct lb_top_status *statuses)
{
    lb_top_terminal_leave(&top->terminal);
    lb_top_terminal_close(&top->terminal);
    lb_top_link_close(&top->link);
    lb_top_follow_close(&top->follow);
    lb_top_patterns_free(top->follow.patterns);
    close(top->signals.fd);
    lb_loop_close(&top->loop);
    free(statuses);
}

static int run_all(struct top *top)
{
    struct lb_top_status *statuses;
    int rc = top->options.is_batch ? -ENOTTY : lb_top_terminal_open(&top->terminal);

    top->is_live = rc == 0;
    if (!top->is_live && top->options.count == 0)
        top->options.count = 1;
    if (rc == 0 || rc == -ENOTTY)
        rc = start(top);
    statuses = top->now;
    if (rc == 0)
        rc = run(top);
    finish(top, statuses);
    if (rc < 0) {
        fprintf(stderr, "logboom top: %s\n", strerror(-rc));
        return 1;
    }
    return top->code;
}

/* A locale that is not there, as that of who logged in from elsewhere: its encoding can be had all the same.
 */
static void set_locale(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    const char *name = NULL;

    if (setlocale(LC_CTYPE, ""))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !(name && name[0]); i++)
        name = getenv(names[i]);
    if (name && (strcasestr(name, ".utf-8") || strcasestr(name, ".utf8")))
        setlocale(LC_CTYPE, "C.UTF-8");
}

int lb_offline_top(int argc, char **argv)
{
    struct top *top = calloc(1, sizeof *top);
    int code, ended_by;

    if (!top)
        return 1;
    set_locale();
    code = lb_top_options_read(argc, argv, &top->options);
    top->options.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (code == 0) {
        top->keys = top->options.keys;
        code = run_all(top);
    }
    ended_by = top->signal;
    free(top);
    if (ended_by) {
        sigset_t set;

        signal(ended_by, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, ended_by);
        raise(ended_by);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
    return code;
}
