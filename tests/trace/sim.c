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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ship/encode.h"
#include "common/clock.h"
#include "tests/trace/lib_sim.h"

#define LINE_MAX_BYTES 70000

static struct lb_encoder encoder;
static bool has_encoder;
static uint64_t printed; /* position in the ring */

/* ---- what comes out ---- */

static void print_records(void)
{
    static char buf[1 << 20];
    struct lb_ring *ring = &sim.files.ring;
    uint64_t head = lb_ring_head(ring);
    const struct lb_record *record;

    if (!has_encoder)
        lb_encoder_init(&encoder, sim.config, LB_SEQUENCE_BATCH, ring->id);
    has_encoder = true;
    for (; (record = lb_ring_at(ring, printed, head)); printed += record->len) {
        char *end;

        encoder.stamps.now_ns = sim.loop.now_ns;
        encoder.stamps.trust[0] = encoder.stamps.trust[1] = LB_CLOCK_EXACT;
        end = lb_encode_record(&encoder, record, 0, buf);
        printf("%llu %.*s\n", (unsigned long long)((sim.loop.now_ns - SIM_START_NS) / LB_NS_PER_MS),
               (int)(end - buf), buf);
    }
    lb_ring_finish(ring, lb_ring_tail(ring), head, LB_STATE_DELIVERED);
    lb_commit_publish(&sim.files.state.slow);
}

/* ---- what goes in ---- */

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
        sim_advance(SIM_START_NS + strtoull(line, NULL, 10) * LB_NS_PER_MS);
        sim_say(service, text, strlen(text));
    }
}

/* ---- the books ---- */

static void print_book(uint32_t row)
{
    const struct lb_commit *commit = &sim.files.state.fast;
    const struct lb_state_name *name = &sim.files.state.file->name[row];
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
    sim_open(argv[1], print_records);
    read_events();
    sim_advance(sim.loop.now_ns);
    sim_close();
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS && sim.files.state.file->name[row].len > 0; row++)
        if (row != sim.capture.shortage.own_row) /* what it has is in no book of the services */
            print_book(row);
    return fflush(stdout) == 0 ? 0 : 1;
}
