/* SPDX-License-Identifier: MIT */
/*
 * logboomd: start, wire the rooms, reload, stop. This thread becomes the fast side.
 *
 *   options ─▶ configuration ─▶ files ─▶ recovery ─▶ card, slow and fast side ─▶ turns ─▶ drain, ship, end
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage or configuration (design.md 4).
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/capture/capture.h"
#include "agent/control/loaded.h"
#include "agent/control/process.h"
#include "agent/control/slow_side.h"
#include "agent/control/wear_side.h"
#include "agent/offline/check.h"
#include "agent/offline/modes.h"
#include "agent/offline/version.h"
#include "agent/shape/pattern.h"
#include "agent/store/card.h"
#include "agent/store/files.h"
#include "agent/store/spool_last.h"
#include "agent/store/start.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/notify.h"

/* How the fast side ends: inputs are read to their end first, then the slow side ships. */
enum phase { RUNNING = 0, DRAINING, SHIPPING, ENDED };

struct daemon {
    const char *file;
    struct lb_loaded *loaded;
    struct lb_loaded *retired; /* the one before, until the slow side has let go of it */
    struct lb_files files;
    struct lb_start start;
    struct lb_staging *staging;
    struct lb_limit limit;
    struct lb_pattern_memo memo;
    struct lb_link link;
    struct lb_card card;
    struct lb_slow_side slow;
    struct lb_outlets outlets;
    struct lb_wear_side wear;
    struct lb_loop loop;
    struct lb_capture capture;
    struct lb_watch signals;
    struct lb_timer watchdog, stop_timer;
    struct lb_card_job reload_job;
    bool is_reloading, is_going_down, awaits_term;
    uint64_t watchdog_ns, slow_turns_seen;
    enum phase phase;
    uint64_t stop_at_ns, drain_until_ns;
};

static struct daemon me; /* one to a process; large, and touched from callbacks */

/* ---- configuration ---- */

static void log_restart_keys(const struct lb_config *old_config, const struct lb_config *new_config)
{
    const char *names[64];
    size_t count = lb_config_restart_keys(old_config, new_config, names, sizeof names / sizeof names[0]);

    for (size_t i = 0; i < count && i < sizeof names / sizeof names[0]; i++)
        lb_log(LB_LEVEL_NOTICE, "%s takes effect at the next start", names[i]);
}

static void reload_work(struct lb_card_job *job)
{
    job->arg = lb_loaded_read(me.file, false);
}

static void reload_done(struct lb_card_job *job)
{
    struct lb_loaded *fresh = job->arg;

    me.is_reloading = false;
    if (fresh && !lb_loaded_takes_over(me.loaded, fresh) && lb_slow_side_reload(&me.slow, fresh) == 0) {
        lb_loaded_free(me.retired);
        me.retired = me.loaded;
        log_restart_keys(me.loaded->config, fresh->config);
        me.loaded = fresh;
        lb_capture_reload(&me.capture, fresh->config, fresh->rules);
        lb_wear_side_reload(&me.wear);
        lb_log_set_level(fresh->config->log_level);
        lb_log(LB_LEVEL_NOTICE, "configuration reloaded");
    } else {
        lb_loaded_free(fresh);
        lb_log(LB_LEVEL_ERROR, "reload refused: the configuration in use stays");
    }
    lb_notify("READY=1");
}

static void begin_reload(void)
{
    /* One at a time, and only when the slow side uses what the last one brought: a snapshot goes with it. */
    if (me.is_reloading || lb_slow_side_loaded(&me.slow) != me.loaded) {
        lb_log(LB_LEVEL_WARNING, "a reload is under way: ask again when it is done");
        return;
    }
    lb_notify("RELOADING=1");
    me.is_reloading = true;
    me.reload_job = (struct lb_card_job) { reload_work, reload_done, NULL };
    if (lb_card_submit(&me.card, LB_CARD_FAST, &me.reload_job) < 0) {
        me.is_reloading = false;
        lb_log(LB_LEVEL_ERROR, "reload refused: the card side does not answer");
    }
}

/* ---- signals and timers ---- */

static void begin_stop(void)
{
    uint64_t now_ns = me.loop.now_ns, timeout_ns = me.loaded->config->stop_timeout_ms * LB_NS_PER_MS;

    if (me.phase != RUNNING) {
        lb_log(LB_LEVEL_NOTICE, "stopping at once; what is not shipped stays for the next start");
        _exit(0); /* all that must survive is in tmpfs and consistent at any instant */
    }
    lb_notify("STOPPING=1");
    me.phase = DRAINING;
    me.stop_at_ns = now_ns + timeout_ns;
    me.drain_until_ns = now_ns + timeout_ns / 4;
    me.stop_timer.due_ns = me.drain_until_ns;
    lb_capture_drain(&me.capture);
}

/* From now on half of the time that is left is for shipping, the rest for the card. */
static void tell_going_down(uint64_t now_ns)
{
    lb_link_put(&me.link.down_by_ns, now_ns + (me.stop_at_ns > now_ns ? me.stop_at_ns - now_ns : 0) / 2);
}

/* Power fails, or the system stops: what is not shipped in time goes to the card. Where both signals waited
 * for us, the kernel hands out SIGTERM first. */
static void begin_going_down(void)
{
    if (me.is_going_down)
        return;
    me.is_going_down = true;
    if (me.phase == RUNNING) {
        me.awaits_term = true;
        begin_stop();
    } else if (me.phase == SHIPPING) {
        tell_going_down(me.loop.now_ns);
        lb_link_knock(me.link.to_slow_fd);
    }
}

static void on_signal(void *arg, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)arg;
    (void)events;
    while (read(me.signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            begin_reload();
        else if (info.ssi_signo == SIGPWR)
            begin_going_down();
        else if (me.awaits_term) /* the one that systemd sends behind the unit's word that the system stops */
            me.awaits_term = false;
        else
            begin_stop();
    }
}

static void on_watchdog(void *arg, uint64_t now_ns)
{
    uint64_t turns = lb_link_get(&me.link.slow_turns);

    (void)arg;
    if (turns != me.slow_turns_seen) /* this side turns, or we would not be here */
        lb_notify("WATCHDOG=1");
    me.slow_turns_seen = turns;
    lb_link_knock(me.link.to_slow_fd);
    me.watchdog.due_ns = now_ns + me.watchdog_ns;
}

static void on_stop_timer(void *arg, uint64_t now_ns)
{
    (void)arg; /* the loop looks at the phase after each turn */
    (void)now_ns;
}

static int watch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGPWR);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    me.signals = (struct lb_watch) { signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, NULL };
    return me.signals.fd < 0 ? -errno : lb_loop_add(&me.loop, &me.signals, EPOLLIN);
}

/* ---- start ---- */

static int fail(const char *what, int rc)
{
    const char *dir = me.loaded->config->runtime_dir;

    if (rc == -ENOSPC)
        lb_log(
            LB_LEVEL_ERROR,
            "%s: no room in the file system of %s for ring (%llu bytes), held (%llu bytes) and staging (%llu "
            "bytes)",
            what, dir, (unsigned long long)me.loaded->config->ring_bytes,
            (unsigned long long)me.loaded->config->held_bytes,
            (unsigned long long)me.loaded->config->staging_bytes);
    else
        lb_log(LB_LEVEL_ERROR, "%s in %s: %s", what, dir, strerror(-rc));
    return 1;
}

static int take_directory(void)
{
    const struct lb_config *config = me.loaded->config;
    int other = 0, rc = lb_files_lock(&me.files, config->runtime_dir, &other);

    if (rc == -EWOULDBLOCK) {
        lb_log(LB_LEVEL_ERROR, "another logboomd (pid %d) runs in %s", other, config->runtime_dir);
        return 1;
    }
    if (rc < 0)
        return fail("cannot use the runtime directory", rc);
    if (!me.files.is_tmpfs)
        lb_log(LB_LEVEL_WARNING, "%s is not on tmpfs: the ring wears the card, and does not survive in RAM",
               config->runtime_dir);
    me.files.held_bytes = config->held_bytes;
    me.files.backlog_bytes = config->backlog_bytes;
    rc = lb_files_check_room(&me.files,
                             lb_files_missing(&me.files, config->ring_bytes, config->staging_bytes));
    return rc < 0 ? fail("cannot start", rc) : 0;
}

static int open_files(void)
{
    const struct lb_config *config = me.loaded->config;
    bool was_damaged = false;
    int rc = lb_files_open(&me.files, config->ring_bytes, config->ring_lock);

    if (rc < 0)
        return fail(rc == -EPROTO ? "the ring is of a newer logboom; drain it with that one, or remove it"
                                  : "cannot open state and ring",
                    rc);
    rc = lb_staging_open(me.files.dir_fd, config->staging_bytes, (uint32_t)config->max_streams,
                         config->ring_lock, &me.files.state.fast, me.staging, &was_damaged);
    if (rc < 0)
        return fail("cannot open staging", rc);
    rc = lb_outlets_open(&me.outlets, &me.files, config);
    if (rc < 0)
        return fail("cannot open the queue of a sink", rc);
    lb_files_recover(&me.files);
    lb_outlets_attach(&me.outlets);
    lb_start_look(&me.files, &me.start);
    if (me.files.state.is_new && config->has_spool && config->spool_wear_budget_bytes_per_day > 0)
        lb_spool_last(&me.card, config->spool_path, &me.start);
    rc = lb_staging_recover(me.staging);
    if (rc < 0)
        return fail("cannot recover staging", rc);
    if (was_damaged || me.files.ring_was_damaged || me.files.held.was_damaged || me.files.state.was_damaged)
        lb_log(LB_LEVEL_ERROR, "a file in %s was damaged and is set aside as *.damaged", config->runtime_dir);
    rc = lb_files_resize(&me.files, config->ring_bytes, config->ring_lock);
    if (rc < 0)
        return fail("cannot resize ring or held", rc);
    lb_outlets_attach(&me.outlets);
    lb_limit_open(&me.limit, &me.files.state.fast);
    if (lb_start_tell(&me.files, &me.start, LB_VERSION, (int)config->ring_urgent, lb_clock_boot_ns()) < 0)
        lb_log(LB_LEVEL_NOTICE, "the ring is full: this start is told by no record");
    rc = lb_staging_resize(me.staging, me.files.dir_fd, config->staging_bytes, (uint32_t)config->max_streams,
                           config->ring_lock);
    if (rc < 0)
        lb_log(LB_LEVEL_WARNING, "staging keeps its size for now: %s",
               rc == -EBUSY ? "what is staged would not fit" : strerror(-rc));
    return 0;
}

static int start_sides(void)
{
    int rc = lb_link_init(&me.link);

    if (rc == 0)
        rc = lb_card_listen(&me.card, LB_CARD_FAST, &me.loop);
    if (rc < 0)
        return fail("cannot start", rc);
    me.capture = (struct lb_capture) {
        .loop = &me.loop,
        .staging = me.staging,
        .ring = &me.files.ring,
        .state = &me.files.state,
        .link = &me.link,
        .config = me.loaded->config,
        .rules = me.loaded->rules,
        .held = &me.files.held,
        .limit = &me.limit,
        .memo = &me.memo,
        .shortage = { .card = &me.card },
    };
    rc = lb_capture_start(&me.capture, me.files.dir_fd);
    if (rc < 0)
        return fail("cannot listen on intake.sock", rc);
    lb_wear_side_start(&me.wear, &me.capture, &me.files.backlog, me.files.dir_fd);
    me.slow.wear = &me.wear;
    me.slow.outlets = &me.outlets;
    return lb_slow_side_start(&me.slow, &me.files, &me.link, &me.card, me.loaded, &me.capture) < 0 ? 1 : 0;
}

static int start(void)
{
    int rc;

    lb_process_tame_heap();
    me.loaded = lb_loaded_read(me.file, true);
    if (!me.loaded)
        return 2;
    lb_log_set_level(me.loaded->config->log_level);
    lb_process_harden();
    me.staging = calloc(1, sizeof *me.staging);
    rc = me.staging ? lb_loop_init(&me.loop) : -ENOMEM;
    if (rc == 0)
        rc = watch_signals();
    if (rc < 0)
        return fail("cannot start", rc);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fail("cannot start libcurl", -EIO);
    rc = take_directory();
    if (rc == 0 && lb_card_start(&me.card) < 0)
        rc = fail("cannot start the card side", -EAGAIN);
    if (rc == 0)
        rc = open_files();
    if (rc == 0)
        rc = start_sides();
    if (rc != 0)
        return rc;
    me.watchdog_ns = lb_notify_watchdog_ns();
    me.watchdog = (struct lb_timer) { me.watchdog_ns ? me.loop.now_ns + me.watchdog_ns : LB_NEVER,
                                      on_watchdog, NULL, NULL };
    me.stop_timer = (struct lb_timer) { LB_NEVER, on_stop_timer, NULL, NULL };
    lb_loop_add_timer(&me.loop, &me.watchdog);
    lb_loop_add_timer(&me.loop, &me.stop_timer);
    lb_notify("READY=1");
    lb_log(LB_LEVEL_NOTICE, "logboomd " LB_VERSION " is ready in %s", me.loaded->config->runtime_dir);
    return 0;
}

/* ---- run and stop ---- */

/* After each turn: is it time for the next phase? */
static void move_phase(bool has_more)
{
    uint64_t now_ns = me.loop.now_ns;

    if (me.phase == DRAINING && (!has_more || now_ns >= me.drain_until_ns)) {
        me.phase = SHIPPING;
        if (me.is_going_down)
            tell_going_down(now_ns);
        lb_link_put(&me.link.stopping, 1);
        lb_link_knock(me.link.to_slow_fd);
        me.stop_timer.due_ns = me.stop_at_ns;
    }
    if (me.phase == SHIPPING && (lb_link_get(&me.link.slow_done) || now_ns >= me.stop_at_ns))
        me.phase = ENDED;
}

static int run(void)
{
    bool has_more = false;

    while (me.phase != ENDED) {
        if (lb_loop_turn(&me.loop, !has_more) < 0) {
            lb_log(LB_LEVEL_ERROR, "the fast side cannot wait for events: %s", strerror(errno));
            return 1;
        }
        /* While shipping, no more is read: what the pipes hold stays with their clients. */
        has_more = me.phase < SHIPPING && lb_capture_turns(&me.capture);
        move_phase(has_more);
    }
    return 0;
}

static void say_what_stays(void)
{
    uint64_t used = lb_ring_head(&me.files.ring) - lb_ring_tail(&me.files.ring);

    if (used > 0)
        lb_log(LB_LEVEL_NOTICE, "%llu bytes of records stay in the ring for the next start",
               (unsigned long long)used);
}

static void stop(void)
{
    lb_capture_stop(&me.capture);
    lb_start_mark_clean(&me.files);
    lb_link_put(&me.link.stopping, 2);
    lb_link_knock(me.link.to_slow_fd);
    say_what_stays();
    if (!lb_slow_side_join(&me.slow, 500) || !lb_card_stop(&me.card, 500) ||
        !lb_wear_side_stop(&me.wear, 500)) {
        lb_log(LB_LEVEL_NOTICE, "not waiting for a thread that hangs in a library");
        _exit(0);
    }
    lb_slow_side_free(&me.slow);
    lb_capture_free(&me.capture);
    lb_staging_close(me.staging);
    lb_outlets_close(&me.outlets);
    lb_files_close(&me.files);
    lb_link_close(&me.link);
    lb_loop_close(&me.loop);
    free(me.staging);
    lb_loaded_free(me.retired);
    lb_loaded_free(me.loaded);
    curl_global_cleanup();
}

/* ---- options ---- */

static void print_help(FILE *out)
{
    fputs("usage: logboomd [-c FILE] [-t] [-V] [--help] [--help-config] [--help-man]\n"
          "Keeps log lines in RAM and ships them, so that the card stays dry. Stays in the foreground.\n\n"
          "  -c FILE        configuration, default /etc/logboom/logboom.ini\n"
          "  -t             check the configuration and end: 0 good, 2 faults\n"
          "  -V             print the version, then those of the libraries, and end\n"
          "  --help         print this and end\n"
          "  --help-config  print the sample configuration, every key explained, and end\n"
          "  --help-man     print the manual page logboom.ini(5) from the same table, and end\n\n"
          "SIGHUP reloads, SIGTERM ships what it can and ends, a second one ends at once.\n",
          out);
}

static int print_text(void (*print)(FILE *out))
{
    print(stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

/* Returns an exit code, or -1: run as a daemon. */
static int read_options(int argc, char **argv)
{
    static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
                                           { "help-config", no_argument, NULL, 'C' },
                                           { "help-man", no_argument, NULL, 'M' },
                                           { NULL, 0, NULL, 0 } };
    bool must_check = false;
    int c;

    while ((c = getopt_long(argc, argv, "c:tV", longs, NULL)) != -1) {
        if (c == 'h')
            return print_text(print_help);
        if (c == 'V')
            return print_text(lb_offline_print_version);
        if (c == 'C')
            return print_text(lb_config_print_sample);
        if (c == 'M')
            return print_text(lb_config_print_manual);
        if (c == '?')
            return 2;
        if (c == 'c')
            me.file = optarg;
        must_check |= c == 't';
    }
    if (optind < argc) {
        fprintf(stderr, "logboomd: takes no arguments: %s\n", argv[optind]);
        return 2;
    }
    return must_check ? lb_offline_check(me.file, stdout, stderr) : -1;
}

int main(int argc, char **argv)
{
    int rc = lb_offline_run(argc, argv);

    if (rc >= 0)
        return rc;
    rc = read_options(argc, argv);
    if (rc >= 0)
        return rc;
    lb_log_open("logboomd", LB_LEVEL_INFO);
    rc = start();
    if (rc != 0)
        return rc;
    rc = run();
    stop();
    return rc;
}
