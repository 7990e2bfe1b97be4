/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_VIEW_H
#define LB_WEAR_VIEW_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What is known of the disks and of who writes to them, as plain values: the
 * sampler fills them on a thread of its own, `logboom wear`, its report, the
 * alerts and status read a copy. All bytes are the disk's own count (sectors of
 * 512 bytes) unless the name says otherwise; all times are of the boot clock.
 */
#define LB_WEAR_NAME        32
#define LB_WEAR_DISKS       8 /* that are watched; more are counted and named as left out */
#define LB_WEAR_FILESYSTEMS 24
#define LB_WEAR_PROGRAMS    40 /* a program is a name and a unit; the least of the last day is merged first */
#define LB_WEAR_UNIT        64
#define LB_WEAR_FINDINGS    16
#define LB_WEAR_BUCKETS     144 /* of [wear] history: ten minutes each, of a day */
#define LB_WEAR_UNKNOWN     UINT64_MAX
#define LB_WEAR_NO_PROGRAM  UINT32_MAX

enum lb_disk_kind {
    LB_DISK_OTHER = 0,
    LB_DISK_SD,
    LB_DISK_EMMC,
    LB_DISK_USB,
    LB_DISK_NVME,
    LB_DISK_SATA,
    LB_DISK_MTD,
    LB_DISK_VIRTUAL, /* of a virtual machine: tells nothing of what is below */
    LB_DISK_LOOP,    /* watched only when it is named in [wear] devices */
    LB_DISK_KINDS
};

/* One whole disk. */
struct lb_disk {
    char name[LB_WEAR_NAME]; /* as /sys/block calls it */
    char model[64];          /* "SC32G (manfid 0x03)", "Samsung SSD 870"; "" where it does not say */
    char made[16];           /* "08/2021", of SD and eMMC; "" not known */
    enum lb_disk_kind kind;
    bool is_flash;
    char why[64];            /* how that is known: "an SD card", "USB, can be taken out", "does not turn" */
    bool is_present;         /* false: it was taken out; it is shown for a day with what was counted */
    uint64_t medium;         /* tells this medium from the one before in the same slot */
    uint64_t capacity_bytes; /* 0: not known */
    uint64_t unit_bytes;     /* of SD the allocation unit, of others the preferred erase size; 0: not known */
    uint64_t written_bytes;  /* since the machine started or it was plugged in, wraps counted */
    uint64_t writes,
        flushes; /* I/Os with data, and bare cache flushes; flushes LB_WEAR_UNKNOWN below Linux 5.5 */
    uint64_t delta_bytes;    /* between the last two samples */
    uint64_t lifetime_bytes; /* what its file systems remember of all boots; LB_WEAR_UNKNOWN */
    unsigned life_a,
        life_b; /* eMMC: 1 = up to 10 % of its life is used .. 10 = up to 100 %, 11 = over; 0 unknown */
    uint64_t io_errors; /* that the kernel's log told of, as far back as it went when we began */
    char io_error[96];  /* the last of them */
    unsigned pre_eol;   /* eMMC: 1 normal, 2 80 % of the spare blocks are used, 3 90 %; 0 unknown */
};

/* One file system that lies on a disk. */
struct lb_filesystem {
    char point[128]; /* the mount point, cut; of several the shortest */
    char type[LB_WEAR_NAME];
    char device[LB_WEAR_NAME];       /* "mmcblk0p2", "dm-0" */
    uint32_t disk;                   /* index */
    bool is_read_only, was_writable; /* was_writable: an earlier sample saw it so: it has gone read-only */
    bool updates_atime, is_sync;     /* each read writes (strictatime); each write is waited for */
    uint64_t lifetime_bytes;         /* ext4, f2fs; LB_WEAR_UNKNOWN */
    uint64_t errors;                 /* that the file system counted; LB_WEAR_UNKNOWN */
};

/* A thing that wears the card and could be otherwise. */
struct lb_finding {
    uint32_t disk;    /* index; UINT32_MAX: of none */
    char what[96];    /* "swap on mmcblk0: /var/swap, 100M, 12M used" */
    char advice[128]; /* one line: "use zram instead: apt install zram-tools" */
};

/* Who writes. */
struct lb_program {
    char name[LB_WEAR_NAME];             /* as the kernel calls it (comm); "others" holds what had no room */
    char unit[LB_WEAR_UNIT];             /* systemd's unit, "" in none */
    bool is_ours;                        /* logboomd itself */
    uint64_t bytes[LB_WEAR_DISKS];       /* of each disk's written_bytes, since the agent started to look */
    uint64_t delta_bytes[LB_WEAR_DISKS]; /* between the last two samples */
};

/* Ten minutes (or as [wear] history has it) of the past. */
struct lb_wear_bucket {
    uint64_t start_ns;  /* boot clock */
    uint32_t covered_s; /* how much of it was looked at */
    uint64_t disk_bytes[LB_WEAR_DISKS];
    uint32_t program_kib[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];
    uint64_t lines_in, lines_delivered, lines_lost; /* of this time */
    uint64_t body_bytes;                            /* texts of the lines that came in: what was kept off */
    uint32_t backlog_permille, ring_permille;       /* fill at the end of it */
    bool was_away;                                  /* the sink was away at some time of it */
};

/* One disk's figures, derived. */
struct lb_wear_figures {
    uint64_t hour_bytes;         /* of the last hour, or since the look began if that is shorter */
    uint64_t day_bytes;          /* of the last day, or what is known of it */
    uint64_t day_span_s;         /* how much of the day that is */
    uint64_t rate_per_day;       /* bytes; LB_WEAR_UNKNOWN: looked at for less than an hour */
    uint64_t endurance_bytes;    /* what it can take; LB_WEAR_UNKNOWN: not flash, or no size */
    bool is_endurance_told;      /* by [wear] endurance; else estimated */
    uint64_t life_left_s;        /* at rate_per_day; LB_WEAR_UNKNOWN; 0: it is past its life */
    uint64_t unattributed_bytes; /* of what was written while we looked: the kernel, the file system's
                                    journal, programs that ended between two looks or may not be looked at */
    uint64_t looked_bytes;       /* written while we looked: all programs' bytes and unattributed_bytes */
};

/* All of it. */
struct lb_wear_view {
    uint64_t sampled_ns, began_ns; /* boot clock; sampled_ns 0: no sample yet */
    uint64_t wall_offset_ns;       /* wall clock = boot clock + this; 0: not known */
    uint64_t uptime_s;
    uint32_t disks, disks_left_out;
    struct lb_disk disk[LB_WEAR_DISKS];
    struct lb_wear_figures figures[LB_WEAR_DISKS];
    uint32_t filesystems;
    struct lb_filesystem filesystem[LB_WEAR_FILESYSTEMS];
    uint32_t findings;
    struct lb_finding finding[LB_WEAR_FINDINGS];
    uint32_t programs;
    struct lb_program program[LB_WEAR_PROGRAMS];
    uint32_t processes_seen, processes_refused; /* refused: their figures are not ours to read */
    char missing[256];                          /* what may not be seen and what would help; "" nothing */
    char boot_reason[96];                       /* why the machine started, where the board tells; "" */
    uint64_t cost_ns;                           /* processor time of the last sample */
    uint32_t buckets;                           /* oldest first, the last is being filled */
    uint64_t bucket_s;
    struct lb_wear_bucket bucket[LB_WEAR_BUCKETS];
    /* The agent's own, put in by who shows it. */
    char hostname[128];
    uint64_t own_card_bytes; /* what logboom wrote to the card, since its ledger was begun */
    uint64_t kept_off_bytes; /* texts of lines that a log file would have taken */
    uint64_t hours_left_x10; /* of an outage; LB_WEAR_UNKNOWN */
};

#endif
