/* SPDX-License-Identifier: MIT */
/*
 * A spool at work, for power cuts: batches come, the oldest go, and each transaction that was acknowledged is
 * told at once. Or: what is there after a cut.
 *
 *     spool_writer write PATH ROUNDS BATCH_BYTES KEEP      prints "ack ID NUMBER [dropped ID]"
 *     spool_writer list PATH                               prints "row ID NUMBER ok|bad"; exit 1: it cannot
 * be opened
 *
 * After each line of "write" a line on standard input is waited for, so that who tests can look at the disk's
 * log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/spool.h"

static uint8_t *bytes;

static void fill(uint64_t number, size_t len)
{
    uint32_t noise = (uint32_t)number * 2654435761u + 1;

    for (size_t i = 0; i < len; i++) {
        noise = noise * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(noise >> 24);
    }
}

static struct lb_spool *open_spool(const char *path)
{
    struct lb_spool_settings settings = { .path = path, .max_bytes = 48 << 20, .any_ground = true };
    char why[LB_SPOOL_WHY_BYTES];
    struct lb_spool *spool = NULL;
    int rc = lb_spool_open(&settings, &spool, why);

    if (rc < 0)
        printf("cannot open: %s\n", why);
    return spool;
}

static int write_rows(struct lb_spool *spool, unsigned rounds, size_t len, unsigned keep)
{
    uint64_t *ids = calloc(rounds, sizeof *ids);
    char line[16];

    for (unsigned i = 0; ids && i < rounds; i++) {
        struct lb_spool_part part = { .meta = { .ring_id = i + 1, .first_n = 1, .last_n = 1, .records = 1 },
                                      .data = bytes,
                                      .len = (uint32_t)len };
        struct lb_spool_batch batch = { .parts = &part, .count = 1 };
        struct lb_spool_change change = { .insert = &batch,
                                          .insert_count = 1,
                                          .drop = i >= keep ? &ids[i - keep] : NULL,
                                          .drop_count = i >= keep };
        int rc;

        fill(i + 1, len);
        rc = lb_spool_write(spool, &change);
        if (rc < 0) {
            printf("failed %d: %s\n", rc, lb_spool_why(spool));
            break;
        }
        ids[i] = batch.ret_id;
        printf("ack %llu %u", (unsigned long long)batch.ret_id, i + 1);
        if (i >= keep)
            printf(" dropped %llu", (unsigned long long)ids[i - keep]);
        putchar('\n');
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin))
            break;
    }
    free(ids);
    return 0;
}

static struct lb_spool_row rows[256];
static uint64_t numbers[256];
static unsigned row_count;

static void note(void *arg, const struct lb_spool_row *row)
{
    (void)arg;
    if (row_count == 256)
        return;
    numbers[row_count] = row->count == 1 ? row->parts[0].meta.ring_id : 0;
    rows[row_count++] = *row;
}

static int list_rows(struct lb_spool *spool)
{
    struct lb_spool_view view;
    uint8_t *back = malloc(1 << 20);

    if (lb_spool_list(spool, note, NULL) < 0) {
        printf("cannot list: %s\n", lb_spool_why(spool));
        free(back);
        return 1;
    }
    for (unsigned i = 0; back && i < row_count; i++) {
        size_t len = rows[i].bytes < 1 << 20 ? rows[i].bytes : 1 << 20;
        int rc = lb_spool_read(spool, rows[i].id, 0, back, (uint32_t)len);

        fill(numbers[i], len);
        printf("row %llu %llu %s\n", (unsigned long long)rows[i].id, (unsigned long long)numbers[i],
               rc == 0 && memcmp(back, bytes, len) == 0 ? "ok" : "bad");
    }
    lb_spool_look(spool, &view);
    printf("damaged %llu %s\n", (unsigned long long)view.damaged, lb_spool_why(spool));
    free(back);
    return 0;
}

int main(int argc, char **argv)
{
    struct lb_spool *spool;
    int rc = 2;

    bytes = malloc(1 << 20);
    if (argc < 3 || !bytes)
        return 2;
    spool = open_spool(argv[2]);
    if (!spool)
        return 1;
    if (strcmp(argv[1], "write") == 0 && argc == 6)
        rc = write_rows(spool, (unsigned)strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                        (unsigned)strtoul(argv[5], NULL, 10));
    else if (strcmp(argv[1], "list") == 0)
        rc = list_rows(spool);
    lb_spool_close(spool);
    free(bytes);
    return rc;
}
