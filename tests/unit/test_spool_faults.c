/* SPDX-License-Identifier: MIT */
/*
 * A card that fails. At the n-th call that changes the disk, then at the n+1-th, and so on until nothing
 * fails, once and for good, with an error and with a full disk: what was acknowledged is there, what was not
 * is there as a whole or not at all, and the spool can be used again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

#include "agent/store/spool.h"
#include "tests/unit/lib_faultvfs.h"

enum { BYTES = 30000, BATCH = 256 << 10 };

static struct {
    char dir[64], path[96];
    struct lb_spool *spool;
    uint8_t bytes[BATCH], back[BATCH];
    uint64_t ids[8];
    unsigned rows;
} it;

static int open_spool(void)
{
    struct lb_spool_settings settings = {
        .path = it.path, .max_bytes = 64 << 20, .vfs = FAULTVFS, .any_ground = true
    };
    char why[LB_SPOOL_WHY_BYTES];

    return lb_spool_open(&settings, &it.spool, why);
}

static void remove_files(void)
{
    static const char *const ends[] = { "", "-journal", ".damaged", ".damaged-journal" };
    char path[128];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", it.path, ends[i]);
        unlink(path);
    }
}

static int begin(void **state)
{
    (void)state;
    memset(&it, 0, sizeof it);
    strcpy(it.dir, "/dev/shm/lb-spoolfault.XXXXXX");
    if (!mkdtemp(it.dir))
        return -1;
    snprintf(it.path, sizeof it.path, "%s/spool.db", it.dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lb_spool_close(it.spool);
    remove_files();
    return rmdir(it.dir);
}

static void fill(unsigned number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        it.bytes[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static int put(unsigned number, size_t len, const uint64_t *drop, unsigned drops, uint64_t *ret_id)
{
    struct lb_spool_part part = { .meta = { .ring_id = number, .first_n = 1, .last_n = 1, .records = 1 },
                                  .data = it.bytes,
                                  .len = (uint32_t)len };
    struct lb_spool_batch batch = { .parts = &part, .count = 1 };
    struct lb_spool_change change = {
        .insert = &batch, .insert_count = 1, .drop = drop, .drop_count = drops
    };
    int rc;

    fill(number, len);
    rc = lb_spool_write(it.spool, &change);
    if (rc == 0)
        *ret_id = batch.ret_id;
    return rc;
}

static void note(void *arg, const struct lb_spool_row *row)
{
    (void)arg;
    assert_int_equal(row->count, 1);
    it.ids[it.rows++ % 8] = row->id;
}

static void list(void)
{
    it.rows = 0;
    assert_int_equal(lb_spool_list(it.spool, note, NULL), 0);
}

static void assert_is(uint64_t id, unsigned number)
{
    fill(number, BYTES);
    assert_int_equal(lb_spool_read(it.spool, id, 0, it.back, BYTES), 0);
    assert_memory_equal(it.back, it.bytes, BYTES);
}

static bool has(uint64_t id)
{
    for (unsigned i = 0; i < it.rows; i++)
        if (it.ids[i] == id)
            return true;
    return false;
}

/* One fault in a transaction that drops a row and puts another. false: it was beyond the last call. */
static bool try_at(uint64_t at, bool is_for_good, int code)
{
    uint64_t first = 0, second = 0, third = 0;
    bool has_struck;
    int rc;

    remove_files();
    faultvfs_begin();
    assert_int_equal(open_spool(), 0);
    assert_int_equal(put(1, BYTES, NULL, 0, &first), 0);
    assert_int_equal(put(2, BYTES, NULL, 0, &second), 0);
    faultvfs.fail_at = faultvfs.calls + at;
    faultvfs.is_for_good = is_for_good;
    faultvfs.code = code;
    rc = put(3, BYTES, &first, 1, &third);
    has_struck = faultvfs.calls >= faultvfs.fail_at;
    faultvfs.fail_at = 0;    /* the card is well again */
    if (rc == 0 || at % 2) { /* by the same connection, or as the next start does */
        lb_spool_close(it.spool);
        it.spool = NULL;
        assert_int_equal(open_spool(), 0);
    }
    list();
    assert_true(has(second));
    assert_is(second, 2);
    if (rc == 0) {
        assert_true(has(third) && !has(first));
        assert_is(third, 3);
    } else if (has(first)) {
        assert_int_equal(it.rows, 2);
        assert_is(first, 1);
    } else { /* it was not acknowledged, and happened all the same: then all of it */
        assert_int_equal(it.rows, 2);
    }
    assert_int_equal(put(4, BYTES, NULL, 0, &third), 0);
    list();
    assert_is(third, 4);
    assert_int_equal(it.rows, 3);
    lb_spool_close(it.spool);
    it.spool = NULL;
    return has_struck;
}

static void try_all(bool is_for_good, int code)
{
    uint64_t at = 1;

    while (try_at(at, is_for_good, code))
        at++;
    print_message("%llu calls that may fail\n", (unsigned long long)at - 1);
    assert_true(at > 8);
}

static void an_error_at_any_call_costs_what_was_not_acknowledged(void **state)
{
    (void)state;
    try_all(false, SQLITE_IOERR_WRITE);
}

static void a_card_that_fails_for_good_in_mid_transaction_and_comes_back(void **state)
{
    (void)state;
    try_all(true, SQLITE_IOERR_FSYNC);
}

static void a_disk_that_is_full_at_any_call(void **state)
{
    (void)state;
    try_all(false, SQLITE_FULL);
}

static void the_first_write_may_fail_at_any_call_too(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        uint64_t id = 0;
        bool has_struck;
        int rc;

        remove_files();
        faultvfs_begin();
        assert_int_equal(open_spool(), 0);
        faultvfs.fail_at = at;
        faultvfs.code = SQLITE_IOERR_WRITE;
        rc = put(1, BYTES, NULL, 0, &id);
        has_struck = faultvfs.calls >= at;
        faultvfs.fail_at = 0;
        list();
        assert_int_equal(it.rows, rc == 0 ? 1 : it.rows > 1 ? 99 : it.rows);
        assert_int_equal(put(2, BYTES, NULL, 0, &id), 0);
        assert_is(id, 2);
        lb_spool_close(it.spool);
        it.spool = NULL;
        if (!has_struck)
            break;
    }
}

/* At steady fill and drain: what goes into database and journal, by bytes of batches. */
static void filling_and_draining_costs_little_more_than_what_is_spooled(void **state)
{
    enum { ROUNDS = 60, KEPT = 16 };
    uint64_t ids[ROUNDS], before;

    (void)state;
    faultvfs_begin();
    assert_int_equal(open_spool(), 0);
    for (unsigned i = 0; i < KEPT; i++)
        assert_int_equal(put(i, BATCH, NULL, 0, &ids[i]), 0);
    before = faultvfs.bytes;
    for (unsigned i = KEPT; i < ROUNDS; i++)
        assert_int_equal(put(i, BATCH, &ids[i - KEPT], 1, &ids[i]), 0);
    print_message("%.3f bytes written for one spooled\n",
                  (double)(faultvfs.bytes - before) / (BATCH * (double)(ROUNDS - KEPT)));
    assert_true((faultvfs.bytes - before) * 4 <= (uint64_t)BATCH * (ROUNDS - KEPT) * 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_error_at_any_call_costs_what_was_not_acknowledged),
        TEST(a_card_that_fails_for_good_in_mid_transaction_and_comes_back),
        TEST(a_disk_that_is_full_at_any_call),
        TEST(the_first_write_may_fail_at_any_call_too),
        TEST(filling_and_draining_costs_little_more_than_what_is_spooled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
