/* SPDX-License-Identifier: MIT */
/*
 * The throttle on a simulated clock. In: a configuration, and on standard input what services say and when:
 *
 *     MS <tab> SERVICE <tab> TEXT
 *
 * Out: every record that is queued, as the file sink would print it with the time of queueing in front, and
 * at the end the books. The code that decides is the agent's own (agent/capture/records.c): staging, pipes
 * and the sink are left out, and a sink that takes everything at once is played.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/turn.h"
#include "agent/shape/pattern.h"
#include "agent/ship/encode.h"
#include "agent/store/files.h"
#include "common/clock.h"

#define START_NS       (1000 * LB_NS_PER_S)
#define LINE_MAX_BYTES 70000

static struct lb_config *config;
static struct lb_rules *rules;
static struct lb_files files;
static struct lb_staging staging; /* none of it is used */
static struct lb_limit limit;
static struct lb_pattern_memo memo;
static struct lb_loop loop;
static struct lb_link doors;
static struct lb_capture capture;
static struct lb_encoder encoder;
static struct lb_stream streams[LB_SERVICES_BOOKS];
static struct lb_stream_name names[LB_SERVICES_BOOKS];
static char dir_path[] = "/dev/shm/logboom-sim.XXXXXX";
static uint64_t printed; /* position in the ring */

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "sim: %s: %s\n", what, strerror(-rc));
    exit(1);
}

/* ---- start ---- */

static void load(const char *path)
{
    struct lb_config_faults faults;
    int rc = lb_config_load(path, LB_CONFIG_CHECK, &config, &faults);

    if (rc == 0)
        rc = lb_rules_compile(config, &faults, &rules);
    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "%s\n", faults.text[i]);
    lb_config_faults_free(&faults);
    if (rc != 0)
        exit(2);
}

static void open_all(void)
{
    int other;

    must(mkdtemp(dir_path) ? 0 : -errno, dir_path);
    files.held_bytes = config->held_bytes;
    must(lb_files_lock(&files, dir_path, &other), "lock");
    must(lb_files_open(&files, config->ring_bytes, false), "open");
    lb_files_recover(&files);
    lb_limit_open(&limit, &files.state.fast);
    must(lb_loop_init(&loop), "loop");
    must(lb_link_init(&doors), "link");
    loop.now_ns = START_NS;
    capture = (struct lb_capture) { .loop = &loop,
                                    .staging = &staging,
                                    .ring = &files.ring,
                                    .state = &files.state,
                                    .link = &doors,
                                    .config = config,
                                    .rules = rules,
                                    .held = &files.held,
                                    .limit = &limit,
                                    .memo = &memo,
                                    .room = malloc(LB_CAPTURE_ROOM),
                                    .mask_room = malloc(LB_CAPTURE_ROOM) };
    must(capture.room && capture.mask_room ? 0 : -ENOMEM, "room");
    must(lb_turns_start(&capture), "turns");
    lb_encoder_init(&encoder, config, LB_SEQUENCE_BATCH, files.ring.id);
}

static void remove_all(void)
{
    static const char *const left[] = { "lock", "state", "ring", "held" };

    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        unlinkat(files.dir_fd, left[i], 0);
    rmdir(dir_path);
}

/* ---- what comes out ---- */

static void print_records(void)
{
    static char buf[1 << 20];
    struct lb_ring *ring = &files.ring;
    uint64_t head = lb_ring_head(ring);
    const struct lb_record *record;

    for (; (record = lb_ring_at(ring, printed, head)); printed += record->len) {
        char *end;

        encoder.stamps.now_ns = loop.now_ns;
        encoder.stamps.trust[0] = encoder.stamps.trust[1] = LB_CLOCK_EXACT;
        end = lb_encode_record(&encoder, record, 0, buf);
        printf("%llu %.*s\n", (unsigned long long)((loop.now_ns - START_NS) / LB_NS_PER_MS), (int)(end - buf),
               buf);
    }
    lb_ring_finish(ring, lb_ring_tail(ring), head, LB_STATE_DELIVERED);
    lb_commit_publish(&files.state.slow);
}

static void fire(struct lb_timer *timer, uint64_t until_ns)
{
    while (timer->due_ns <= until_ns) {
        uint64_t due_ns = timer->due_ns;

        loop.now_ns = due_ns > loop.now_ns ? due_ns : loop.now_ns;
        timer->due_ns = LB_NEVER;
        timer->fire(timer->arg, loop.now_ns);
        print_records();
    }
}

static void advance(uint64_t now_ns)
{
    struct lb_timer *timers[] = { &capture.collapse_timer, &capture.summary_timer, &capture.repeat_timer,
                                  &capture.tell_timer };

    for (;;) {
        struct lb_timer *next = timers[0];

        for (size_t i = 1; i < sizeof timers / sizeof timers[0]; i++)
            if (timers[i]->due_ns < next->due_ns)
                next = timers[i];
        if (next->due_ns > now_ns)
            break;
        fire(next, next->due_ns);
    }
    loop.now_ns = now_ns > loop.now_ns ? now_ns : loop.now_ns;
}

/* ---- what goes in ---- */

static struct lb_stream *stream_of(const char *service)
{
    uint32_t row = lb_state_service(&files.state, service, strlen(service));
    struct lb_stream *stream = &streams[row];

    if (!stream->name) {
        names[row].service_len = (uint16_t)strlen(service);
        memcpy(names[row].service, service, names[row].service_len);
        *stream = (struct lb_stream) { .capture = &capture, .name = &names[row], .service_ix = row };
        lb_streams_settle(&capture, stream);
    }
    return stream;
}

static void say(const char *service, char *text, size_t len)
{
    struct lb_stream *stream = stream_of(service);
    struct lb_turn turn = { .capture = &capture, .stream = stream, .now_ns = loop.now_ns };

    turn.head = (struct lb_record) { .kind = LB_KIND_LINE,
                                     .stream_id = 1 + stream->service_ix,
                                     .service_ix = stream->service_ix };
    if (!lb_records_message(&turn, text, len, -1, NULL)) {
        fprintf(stderr, "sim: the ring is full\n");
        exit(1);
    }
    lb_records_publish(&turn);
    print_records();
}

static void read_events(void)
{
    static char line[LINE_MAX_BYTES];

    while (fgets(line, sizeof line, stdin)) {
        char *service = strchr(line, '\t'), *text = service ? strchr(service + 1, '\t') : NULL;

        if (!text) {
            fprintf(stderr, "sim: no event: %s", line);
            exit(2);
        }
        *service++ = *text++ = '\0';
        text[strcspn(text, "\n")] = '\0';
        advance(START_NS + strtoull(line, NULL, 10) * LB_NS_PER_MS);
        say(service, text, strlen(text));
    }
}

/* ---- the books ---- */

static void print_book(uint32_t row)
{
    const struct lb_commit *commit = &files.state.fast;
    const struct lb_state_name *name = &files.state.file->name[row];
    uint64_t held = 0;

    for (unsigned i = 0; i < LB_HELD_REASONS; i++)
        held += lb_commit_get(commit, LB_FAST_THROTTLE, row * LB_THROTTLE_WORDS + LB_THROTTLE_HELD + 2 * i);
    printf("book {\"service\":\"%.*s\",\"queued\":%llu,\"held\":%llu", (int)name->len, name->text,
           (unsigned long long)lb_commit_get(commit, LB_FAST_BOOKS,
                                             row * LB_BOOK_FAST_WORDS + LB_BOOK_QUEUED_LINES),
           (unsigned long long)held);
    for (unsigned i = LB_DROP_REPEAT; i < LB_DROP_COUNT; i++) {
        static const char *const reasons[] = { "repeat", "filter", "collapse", "sample",
                                                "limit",  "lost",   "quota",    "pressure" };
        struct lb_drop_place place = lb_drop_place(row, i);

        printf(",\"%s\":%llu", reasons[i - LB_DROP_REPEAT],
               (unsigned long long)lb_commit_get(commit, place.region, place.word));
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: sim CONFIG < EVENTS\n");
        return 2;
    }
    load(argv[1]);
    open_all();
    read_events();
    advance(loop.now_ns);
    capture.is_stopping = true;
    lb_own_stop(&capture);
    print_records();
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && files.state.file->name[row].len > 0; row++)
        print_book(row);
    remove_all();
    return fflush(stdout) == 0 ? 0 : 1;
}
