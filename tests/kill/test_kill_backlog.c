/* SPDX-License-Identifier: MIT */
/*
 * A kill between every two stores while records move to the backlog, give way there, and come back. A child
 * puts numbered lines while the sink is away, more than ring and backlog hold, and ships what is left when it
 * is back. It is killed at the first place, then anew at the second, and so on until it comes through. After
 * each kill the parent starts on what is left, as the next agent would.
 *
 * Then no record is in the ring and in the backlog, the books balance against what lies there, and in the end
 * each line was taken or is in the books as shed, never both; none was taken again once that was booked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/ship/drain.h"
#include "agent/store/files.h"
#include "agent/store/killpoint.h"
#include "agent/store/loss.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "tests/kill/lib_places.h"

#ifndef LB_KILLPOINTS
#error "needs -DLB_KILLPOINTS, or nobody dies"
#endif

enum { LINES = 330, LINE_BYTES = 700, FILE_BYTES = 65536 };

/* In memory that all processes share: a killed child is a witness too. */
struct witness {
    uint8_t taken[LINES], is_sure[LINES];
    uint32_t taken_again;
};

static struct {
    char path[64];
    struct witness *witness;
    uint64_t kill_at, backlog_bytes;
    /* of a life */
    struct lb_config *config;
    struct lb_files files;
    struct lb_link link;
    struct lb_shipper shipper;
    struct lb_mover *mover;
    struct lb_drain drain;
    uint64_t now_ns, due_ns;
    bool is_away;
    struct {
        bool is_out;
        const char *body;
        size_t len;
    } out[LB_TRANSPORT_SLOTS];
} it;

#define MUST(claim) must(claim, #claim, __LINE__)

static void must(bool is_true, const char *claim, int line)
{
    if (is_true)
        return;
    fprintf(stderr, "killed at %llu: line %d: not so: %s\n", (unsigned long long)it.kill_at, line, claim);
    abort();
}

/* ---- the sink ---- */

static int take(void *self, unsigned slot, const void *body, size_t len, const char *encoding)
{
    (void)self;
    (void)encoding;
    it.out[slot].is_out = true;
    it.out[slot].body = body;
    it.out[slot].len = len;
    return 0;
}

static bool cancel(void *self, unsigned slot)
{
    (void)self;
    it.out[slot].is_out = false;
    return true;
}

static void hang_up(void *self)
{
    (void)self;
}

static struct lb_wall_reading read_clocks(void *ctx)
{
    (void)ctx;
    return (struct lb_wall_reading) { it.now_ns, it.now_ns + 1800000000 * LB_NS_PER_S, true };
}

/* The lines of a body: noted as taken, or as booked. */
static void note(const char *body, size_t len, bool is_booked)
{
    static const char mark[] = "\"message\":\"";

    for (const char *at = body; (at = memmem(at, len - (size_t)(at - body), mark, sizeof mark - 1)); at++) {
        const char *text = at + sizeof mark - 1;
        unsigned long i = strtoul(text, NULL, 10);

        if (text[0] < '0' || text[0] > '9' || strchr(text, ':') == NULL || i >= LINES)
            continue; /* a receipt */
        if (is_booked) {
            it.witness->is_sure[i] = 1;
            continue;
        }
        it.witness->taken_again += it.witness->is_sure[i];
        it.witness->taken[i] = 1;
    }
}

static bool answer_all(void)
{
    bool has_any = false;

    for (unsigned slot = 0; slot < LB_TRANSPORT_SLOTS; slot++) {
        struct lb_answer answer = { .error = it.is_away ? ENETUNREACH : 0 };
        char *body;

        if (!it.out[slot].is_out)
            continue;
        has_any = true;
        it.out[slot].is_out = false;
        body = malloc(it.out[slot].len + 1);
        MUST(body != NULL);
        memcpy(body, it.out[slot].body, it.out[slot].len);
        body[it.out[slot].len] = '\0';
        if (!it.is_away)
            note(body, it.out[slot].len, false);
        lb_drain_answer_at(&it.drain, slot, &answer, it.now_ns);
        if (!it.is_away)
            note(body, it.out[slot].len, true);
        free(body);
    }
    return has_any;
}

static void step(void)
{
    do {
        uint64_t drain_ns;

        it.due_ns = lb_shipper_step(&it.shipper, it.now_ns);
        drain_ns = lb_drain_step(&it.drain, it.now_ns);
        it.due_ns = drain_ns < it.due_ns ? drain_ns : it.due_ns;
    } while (answer_all());
}

/* ---- a life ---- */

static void start(void)
{
    it.files = (struct lb_files) { .lock_fd = -1, .backlog_bytes = it.backlog_bytes };
    it.files.dir_fd = open(it.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(it.files.dir_fd >= 0);
    MUST(lb_files_open(&it.files, FILE_BYTES, false) == 0);
    lb_files_recover(&it.files);
    MUST(lb_files_resize(&it.files, FILE_BYTES, false) == 0);
    MUST(lb_link_init(&it.link) == 0);
    memset(it.out, 0, sizeof it.out);
    memset(&it.drain, 0, sizeof it.drain);
    it.now_ns = 100 * LB_NS_PER_S;
    it.shipper = (struct lb_shipper) { .ring = &it.files.ring,
                                       .state = &it.files.state,
                                       .link = &it.link,
                                       .config = it.config,
                                       .transport = { NULL, take, cancel, hang_up, NULL, false },
                                       .read_clocks = read_clocks };
    lb_wall_init(&it.shipper.wall, 0);
    MUST(lb_shipper_start(&it.shipper, 1, it.now_ns) == 0);
    it.mover = lb_mover_new(&it.shipper, &it.files.backlog);
    MUST(it.mover != NULL);
    it.shipper.mover = it.mover;
    MUST(lb_drain_start(&it.drain, &it.shipper, it.mover, 1, it.now_ns) == 0);
}

static void stop(void)
{
    lb_drain_stop(&it.drain);
    lb_shipper_stop(&it.shipper);
    lb_mover_free(it.mover);
    lb_link_close(&it.link);
    lb_files_close(&it.files);
}

static int put(struct lb_record head, const void *text, size_t len, unsigned word)
{
    struct lb_commit *fast = &it.files.state.fast;
    struct iovec body = { (void *)(uintptr_t)text, len };
    uint32_t row = lb_state_service(&it.files.state, "app", 3) * LB_BOOK_FAST_WORDS;
    int rc = lb_ring_put(&it.files.ring, &head, "app", 3, NULL, 0, &body, 1);

    if (rc < 0)
        return rc;
    lb_commit_add(fast, LB_FAST_BOOKS, row + word, 1);
    lb_commit_add(fast, LB_FAST_BOOKS, row + word + 1, len);
    lb_commit_publish(fast);
    return 0;
}

static void put_line(unsigned i)
{
    bool is_urgent = i % 10 == 9;
    struct lb_record head = { .lane = is_urgent ? LB_LANE_URGENT : LB_LANE_ROUTINE,
                              .severity = is_urgent ? LB_LEVEL_ERROR : LB_LEVEL_INFO,
                              .boot_ns = it.now_ns + i * 1000000ull,
                              .stream_id = 7,
                              .lines = 1 };
    char text[LINE_BYTES];
    uint64_t noise = i * 0x9e3779b97f4a7c15u;
    int len = snprintf(text, sizeof text, "%u:", i);

    for (; len < LINE_BYTES - 1; len++) { /* hardly to be packed: the backlog is to be too small */
        noise = noise * 6364136223846793005u + 1442695040888963407u;
        text[len] = (char)('a' + (noise >> 40) % 26);
    }
    for (unsigned tries = 0; put(head, text, (size_t)len, LB_BOOK_QUEUED_LINES) < 0; tries++) {
        MUST(tries < 30);
        it.now_ns += LB_NS_PER_S; /* until it is known that the sink is away */
        step();
    }
}

static void tell_losses(void)
{
    struct lb_receipt receipt;
    unsigned row = 0;

    while (lb_link_get(&it.link.losses_wait) > 0 && lb_loss_next(&it.files.state, &row, &receipt)) {
        struct lb_record head = { .lane = LB_LANE_URGENT,
                                  .severity = LB_LEVEL_WARNING,
                                  .kind = LB_KIND_RECEIPT,
                                  .boot_ns = it.now_ns,
                                  .lines = 1 };

        lb_loss_told(&it.files.state, row);
        if (put(head, &receipt, sizeof receipt, LB_BOOK_OWN_LINES) < 0)
            return;
    }
}

/* A start, or a heartbeat: something that is delivered, after which losses are told. */
static void put_own(void)
{
    struct lb_start body = { .stop = LB_STOP_UNCLEAN };
    struct lb_record head = { .lane = LB_LANE_ROUTINE,
                              .severity = LB_LEVEL_INFO,
                              .kind = LB_KIND_START,
                              .boot_ns = it.now_ns,
                              .lines = 1 };

    put(head, &body, sizeof body, LB_BOOK_OWN_LINES);
}

static bool is_done(void)
{
    return lb_ring_tail(&it.files.ring) == lb_ring_head(&it.files.ring) &&
           it.files.backlog.sum.segments == 0 && lb_link_get(&it.link.losses_wait) == 0 &&
           !it.shipper.has_losses;
}

/* What is put is told by the books, so that a life goes on where another was killed. */
static void live(void)
{
    uint64_t put_so_far =
        places_sum(&it.files.state.fast, LB_FAST_BOOKS, LB_BOOK_FAST_WORDS, LB_BOOK_QUEUED_LINES);

    it.is_away = true;
    for (unsigned i = (unsigned)put_so_far; i < LINES; i++) {
        it.now_ns += 20 * LB_NS_PER_MS;
        put_line(i);
        step();
    }
    it.is_away = false;
    for (unsigned turn = 0; !is_done(); turn++) {
        MUST(turn < 5000);
        it.now_ns = it.due_ns > it.now_ns && it.due_ns != LB_NEVER ? it.due_ns : it.now_ns + LB_NS_PER_S;
        if (turn % 100 == 99)
            put_own();
        step();
        tell_losses();
    }
}

/* ---- what must hold ---- */

static void check_start(void)
{
    const char *wrong = places_check(&it.files);

    must(wrong == NULL, wrong ? wrong : "", __LINE__);
}

static void check_end(void)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < LINES; i++)
        taken += it.witness->taken[i];
    check_start();
    MUST(taken + places_sum(&it.files.state.slow, LB_SLOW_BOOKS, LB_BOOK_SLOW_WORDS, LB_BOOK_SHED) == LINES);
    MUST(it.witness->taken_again == 0);
    for (unsigned i = LINES - 20; i < LINES; i++)
        MUST(it.witness->taken[i]);
}

/* ---- tests ---- */

static void fresh(void)
{
    DIR *dir = opendir(it.path);
    struct dirent *entry;

    MUST(dir != NULL);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "main.ini") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    memset(it.witness, 0, sizeof *it.witness);
}

static bool is_killed(uint64_t kill_at, bool must_live)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        lb_killpoint_arm(kill_at);
        start();
        if (must_live)
            live();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child killed at %llu ended with status %x", (unsigned long long)kill_at, status);
    return true;
}

static void killed_at_any_place_no_record_is_in_both_or_in_neither(void **state)
{
    unsigned deaths = 0;

    (void)state;
    /* They differ by a prime, to meet all kinds in the time there is; LB_KILL_STEP = 1 tries each. */
    uint64_t by = getenv("LB_KILL_STEP") ? strtoull(getenv("LB_KILL_STEP"), NULL, 10) : 13;

    for (it.kill_at = 1;; it.kill_at += by) {
        bool was_killed;

        fresh();
        was_killed = is_killed(it.kill_at, true);
        start();
        check_start();
        live();
        check_end();
        stop();
        deaths += was_killed;
        if (!was_killed)
            break;
    }
    print_message("%u deaths, %llu places to die\n", deaths, (unsigned long long)it.kill_at);
    assert_true(deaths > 200);
}

/* The first agent dies with segments in its backlog; the next one is to have another size, and dies too. */
static void killed_while_the_backlog_takes_another_size_nothing_is_lost(void **state)
{
    const uint64_t mid = 2500;
    unsigned deaths = 0;

    (void)state;
    for (it.kill_at = 1;; it.kill_at++) {
        bool was_killed;

        fresh();
        it.backlog_bytes = FILE_BYTES;
        assert_true(is_killed(mid, true));
        it.backlog_bytes = 2ull * FILE_BYTES;
        was_killed = is_killed(it.kill_at, false);
        start();
        MUST(it.files.backlog.sum.segments > 0 && !it.files.backlog.keeps_size);
        MUST(it.files.backlog.map.data_bytes == it.backlog_bytes);
        check_start();
        live();
        check_end();
        stop();
        it.backlog_bytes = FILE_BYTES;
        deaths += was_killed;
        if (!was_killed)
            break;
    }
    print_message("%u deaths\n", deaths);
    assert_true(deaths > 4);
}

static int begin(void **state)
{
    struct lb_config_faults faults = { 0 };
    char path[96];
    FILE *file;

    (void)state;
    it.backlog_bytes = FILE_BYTES;
    lb_log_set_level(LB_LEVEL_EMERGENCY);
    snprintf(it.path, sizeof it.path, "/dev/shm/logboom-kill-XXXXXX");
    MUST(mkdtemp(it.path) != NULL);
    snprintf(path, sizeof path, "%s/main.ini", it.path);
    file = fopen(path, "w");
    MUST(file != NULL);
    fputs("[backlog]\nsegment = 64K\n[sink out]\ntype = file\npath = /nowhere\nretry_min = 100ms\nretry_max "
          "= 1s\n",
          file);
    fclose(file);
    MUST(lb_config_load(path, LB_CONFIG_CHECK, &it.config, &faults) == 0);
    it.witness = mmap(NULL, sizeof *it.witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(it.witness != MAP_FAILED);
    return 0;
}

static int end(void **state)
{
    char path[96];

    (void)state;
    fresh();
    snprintf(path, sizeof path, "%s/main.ini", it.path);
    unlink(path);
    rmdir(it.path);
    lb_config_free(it.config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_place_no_record_is_in_both_or_in_neither),
        cmocka_unit_test(killed_while_the_backlog_takes_another_size_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
