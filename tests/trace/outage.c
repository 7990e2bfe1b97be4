/* SPDX-License-Identifier: MIT */
/*
 * An outage on a simulated clock: the slow side's own code between a ring that is fed and a sink that is away
 * for hours and then back. In: a configuration, lines. Out: on stdout what the sink took, one object a line,
 * as far as it is asked for; on stderr one object with what was held when the outage ended.
 *
 *     outage INI CORPUS HOURS LINES_A_SECOND ERROR_EVERY DIR [-q]
 *
 * Each line of the corpus is put over and over, with a number of its own. Receipts are put by what plays the
 * fast side here. -q: nothing of what the sink takes is printed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/drain.h"
#include "agent/store/files.h"
#include "agent/store/loss.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"

#define START_NS  (100 * LB_NS_PER_S)
#define ANSWER_NS LB_NS_PER_MS
#define GIVE_UP_S 86400 /* of simulated time, for the drain */

static struct {
    struct lb_config *config;
    struct lb_files files;
    struct lb_link link;
    struct lb_shipper shipper;
    struct lb_mover *mover;
    struct lb_drain drain;
    uint64_t now_ns, due_ns, lines, receipts;
    bool is_away, is_quiet;
    struct {
        bool is_out;
        const char *body;
        size_t len;
    } out[LB_TRANSPORT_SLOTS];
    char *corpus;
    size_t corpus_len, corpus_at;
} me;

static void must(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "outage: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the sink ---- */

static int take(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    (void)self;
    (void)encoding;
    me.out[slot].is_out = true;
    me.out[slot].body = body;
    me.out[slot].len = len;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    (void)self;
    me.out[slot].is_out = false;
    return true;
}

static void hang_up(void *self)
{
    (void)self;
}

static struct lb_wall_reading read_clocks(void *ctx)
{
    (void)ctx;
    return (struct lb_wall_reading) { me.now_ns, me.now_ns + 1800000000 * LB_NS_PER_S, true };
}

static bool answer_all(void)
{
    bool has_any = false;

    for (unsigned slot = 0; slot < LB_TRANSPORT_SLOTS; slot++) {
        struct lb_answer answer = { .error = me.is_away ? ENETUNREACH : 0 };

        if (!me.out[slot].is_out)
            continue;
        has_any = true;
        me.out[slot].is_out = false;
        answer.wire_bytes = me.out[slot].len;
        if (!me.is_away && !me.is_quiet)
            fwrite(me.out[slot].body, 1, me.out[slot].len, stdout);
        if (me.mover)
            lb_drain_answer_at(&me.drain, slot, &answer, me.now_ns);
        else
            lb_shipper_answer_at(&me.shipper, slot, &answer, me.now_ns);
    }
    return has_any;
}

static void step(void)
{
    do {
        uint64_t drain_ns;

        me.due_ns = lb_shipper_step(&me.shipper, me.now_ns);
        drain_ns = me.mover ? lb_drain_step(&me.drain, me.now_ns) : LB_NEVER;
        me.due_ns = drain_ns < me.due_ns ? drain_ns : me.due_ns;
    } while (answer_all());
}

static void pass(uint64_t ns)
{
    uint64_t until = me.now_ns + ns;

    while (me.due_ns <= until) {
        me.now_ns = me.due_ns > me.now_ns ? me.due_ns : me.now_ns + ANSWER_NS;
        step();
    }
    me.now_ns = until > me.now_ns ? until : me.now_ns;
}

/* ---- the fast side, as far as it is needed ---- */

static void book(uint32_t row, unsigned word, uint64_t bytes)
{
    lb_commit_add(&me.files.state.fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word, 1);
    lb_commit_add(&me.files.state.fast, LB_FAST_BOOKS, row * LB_BOOK_FAST_WORDS + word + 1, bytes);
}

static void put(struct lb_record head, const char *service, const void *text, size_t len, unsigned word)
{
    struct iovec body = { (void *)(uintptr_t)text, len };
    int rc;

    head.service_ix = lb_state_service(&me.files.state, service, strlen(service));
    head.boot_ns = me.now_ns;
    head.lines = 1;
    for (unsigned i = 0; i < 1000; i++) {
        rc = lb_ring_put(&me.files.ring, &head, service, strlen(service), NULL, 0, &body, 1);
        if (rc != -ENOSPC)
            break;
        step();
    }
    must(rc == 0, "no room is made in the ring");
    book(head.service_ix, word, len);
    lb_commit_publish(&me.files.state.fast);
    if (lb_ring_head(&me.files.ring) >= lb_link_get(&me.link.slow_wake_pos))
        step();
}

static void put_line(unsigned error_every)
{
    char text[4096];
    const char *line = me.corpus + me.corpus_at;
    size_t len = strcspn(line, "\n");
    bool is_error = error_every && me.lines % error_every == error_every - 1;
    struct lb_record head = { .lane = is_error ? LB_LANE_URGENT : LB_LANE_ROUTINE,
                              .severity = is_error ? LB_LEVEL_ERROR : LB_LEVEL_INFO,
                              .stream_id = 0x5ca1ab1e,
                              .pid = 4711,
                              .uid = 1000 };
    static uint64_t off;
    int used = snprintf(text, sizeof text, "%.*s #n=%07llu", (int)(len < 3900 ? len : 3900), line,
                        (unsigned long long)me.lines);

    head.raw_len = (uint32_t)used + 1;
    head.stream_off = off;
    off += head.raw_len;
    put(head, "app", text, (size_t)used, LB_BOOK_QUEUED_LINES);
    me.lines++;
    me.corpus_at += len + 1;
    if (me.corpus_at >= me.corpus_len)
        me.corpus_at = 0;
}

static void tell_losses(void)
{
    struct lb_receipt receipt;
    unsigned row = 0;

    if (lb_link_get(&me.link.losses_wait) == 0)
        return;
    while (lb_loss_next(&me.files.state, &row, &receipt)) {
        struct lb_record head = { .lane = LB_LANE_URGENT,
                                  .severity = LB_LEVEL_WARNING,
                                  .kind = LB_KIND_RECEIPT };
        char name[129];

        snprintf(name, sizeof name, "%.*s", receipt.name_len ? (int)receipt.name_len : 7,
                 receipt.name_len ? (const char *)receipt.name : "logboom");
        lb_loss_told(&me.files.state, row);
        put(head, name, &receipt, sizeof receipt, LB_BOOK_OWN_LINES);
        me.receipts++;
    }
}

/* ---- all of it ---- */

static void read_corpus(const char *path)
{
    FILE *file = fopen(path, "re");

    must(file != NULL, path);
    fseek(file, 0, SEEK_END);
    me.corpus_len = (size_t)ftell(file);
    rewind(file);
    me.corpus = calloc(1, me.corpus_len + 1);
    must(me.corpus && fread(me.corpus, 1, me.corpus_len, file) == me.corpus_len, path);
    fclose(file);
}

static void start(const char *ini, const char *dir)
{
    struct lb_config_faults faults = { 0 };
    int other;

    lb_log_set_level(LB_LEVEL_CRITICAL);
    must(lb_config_load(ini, LB_CONFIG_CHECK, &me.config, &faults) == 0, ini);
    me.files.backlog_bytes = me.config->backlog_bytes;
    must(lb_files_lock(&me.files, dir, &other) == 0, dir);
    must(lb_files_open(&me.files, me.config->ring_bytes, false) == 0, "files");
    lb_files_recover(&me.files);
    must(lb_link_init(&me.link) == 0, "link");
    me.now_ns = START_NS;
    me.shipper = (struct lb_shipper) { .ring = &me.files.ring,
                                       .state = &me.files.state,
                                       .link = &me.link,
                                       .config = me.config,
                                       .transport = { NULL, take, cancel, hang_up, NULL, false },
                                       .read_clocks = read_clocks };
    lb_wall_init(&me.shipper.wall, 0);
    must(lb_shipper_start(&me.shipper, 1, me.now_ns) == 0, "shipper");
    if (!lb_backlog_is_there(&me.files.backlog))
        return;
    me.mover = lb_mover_new(&me.shipper, &me.files.backlog);
    must(me.mover != NULL, "mover");
    me.shipper.mover = me.mover;
    must(lb_drain_start(&me.drain, &me.shipper, me.mover, 1, me.now_ns) == 0, "drain");
}

static uint64_t sum(const uint64_t *words, unsigned stride, unsigned word)
{
    uint64_t all = 0;

    for (unsigned row = 0; row < LB_SERVICES_BOOKS; row++)
        all += words[row * stride + word];
    return all;
}

static void report(const char *when)
{
    const uint64_t *slow = me.files.state.slow.region[LB_SLOW_BOOKS].shared;
    const struct lb_backlog *backlog = &me.files.backlog;

    fprintf(
        stderr,
        "{\"when\":\"%s\",\"lines\":%llu,\"delivered\":%llu,\"shed\":%llu,\"receipts\":%llu,"
        "\"segments\":%llu,\"held_lines\":%llu,\"held_bytes\":%llu,\"packed_bytes\":%llu,\"used_bytes\":%llu,"
        "\"file_bytes\":%llu,\"hours\":%.3f,\"requests\":%llu}\n",
        when, (unsigned long long)me.lines,
        (unsigned long long)sum(slow, LB_BOOK_SLOW_WORDS, LB_BOOK_DELIVERED),
        (unsigned long long)sum(slow, LB_BOOK_SLOW_WORDS, LB_BOOK_SHED), (unsigned long long)me.receipts,
        (unsigned long long)backlog->sum.segments, (unsigned long long)backlog->sum.lines,
        (unsigned long long)backlog->sum.bytes + backlog->sum.lines,
        (unsigned long long)backlog->sum.packed_bytes,
        (unsigned long long)((uint64_t)backlog->blocks * LB_BACKLOG_BLOCK -
                             (me.mover ? lb_backlog_room(backlog) : 0)),
        (unsigned long long)(backlog->map.header_bytes + backlog->map.data_bytes),
        (double)(me.now_ns - START_NS) / 3.6e12, (unsigned long long)me.shipper.stats.requests);
}

static bool is_done(void)
{
    return lb_ring_tail(&me.files.ring) == lb_ring_head(&me.files.ring) &&
           me.files.backlog.sum.segments == 0 && lb_link_get(&me.link.losses_wait) == 0 &&
           !me.shipper.has_losses;
}

int main(int argc, char **argv)
{
    double hours, rate;
    uint64_t lines, gap_ns;

    if (argc < 7)
        return 2;
    me.is_quiet = argc > 7;
    read_corpus(argv[2]);
    hours = strtod(argv[3], NULL);
    rate = strtod(argv[4], NULL);
    start(argv[1], argv[6]);
    me.is_away = true;
    lines = (uint64_t)(hours * 3600 * rate);
    gap_ns = (uint64_t)(1e9 / rate);
    step();
    for (uint64_t i = 0; i < lines; i++) {
        bool was_shed = me.mover && lb_mover_stats(me.mover)->shed_segments > 0;

        pass(gap_ns);
        put_line((unsigned)strtoul(argv[5], NULL, 10));
        if (me.mover && !was_shed && lb_mover_stats(me.mover)->shed_segments > 0)
            report("full");
    }
    report("away");
    me.is_away = false;
    for (unsigned i = 0; i < GIVE_UP_S && !is_done(); i++) {
        pass(LB_NS_PER_S);
        tell_losses();
    }
    report(is_done() ? "done" : "not done");
    return fflush(stdout) == 0 && is_done() ? 0 : 1;
}
