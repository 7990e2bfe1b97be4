/* SPDX-License-Identifier: MIT */
/*
 * The boards, as their kernels show them. In: nothing. Out: the table that lib_board.h names. Always true:
 * a board has only what its kernel shows: no diskseq below Linux 5.15, no life_time on SD.
 */
#include "tests/unit/lib_board.h"

#include <stddef.h>

#define FIXED "removable=0;queue/rotational=0;"
#define STAT_OF(ios, sectors, flushes) \
    "stat=10 2 300 40 " ios " 60 " sectors " 80 0 90 100 0 0 0 0 " flushes " 11;"
#define SWAPS_HEAD "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

/* clang-format off */
#define SD_CARD(seq)                                                                                       \
    { "mmcblk0", "platform/soc/mmc0/mmc0:aaaa", 979, 0, 2,                                                 \
      FIXED STAT_OF("1025", "2048", "513") seq "size=62333952;device/type=SD;device/name=SC32G;"           \
      "device/manfid=0x000003;device/oemid=0x5344;device/date=08/2021;device/serial=0x1f2e3d4c;"           \
      "device/cid=03534453433332478000000000014800;device/preferred_erase_size=4194304;"                   \
      "device/erase_size=512" }
#define NVME(maj)                                                                                          \
    { "nvme0n1", "pci0000:00/0000:00:01.0/nvme/nvme0", maj, 0, 2,                                          \
      FIXED STAT_OF("70", "4096", "0") "size=500118192;diskseq=2;device/model=WD Blue SN580  ;"            \
      "device/serial=2345A6;wwid=eui.00" }
#define EMMC(life, eol)                                                                                    \
    { "mmcblk0", "platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:0001", 979, 0, 2,                           \
      FIXED STAT_OF("50", "8192", "0") "diskseq=1;size=61071360;device/type=MMC;device/name=BJTD4R;"       \
      "device/manfid=0x000015;device/date=05/2022;device/preferred_erase_size=4194304;"                    \
      "device/life_time=" life ";device/pre_eol_info=" eol }
#define EMMC_BOOT                                                                                          \
    { "mmcblk0boot0", "platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:0001", 979, 32, 0,                     \
      FIXED STAT_OF("0", "0", "0") "size=8192" }
#define ZRAM(backing)                                                                                      \
    { "zram0", "virtual", 1054, 0, 0,                                                                      \
      FIXED STAT_OF("9", "72", "0") "size=4194304;backing_dev=" backing ";bd_stat= 100 200 3072" }

#define PI_MOUNTS                                                                                          \
    "21 1 979:2 / / rw,noatime shared:1 - ext4 /dev/root rw,commit=600\n"                                  \
    "22 21 0:5 / /dev rw,relatime shared:2 - devtmpfs udev rw\n"                                           \
    "23 21 0:20 / /proc rw,nosuid,relatime shared:3 - proc proc rw\n"                                      \
    "24 21 0:22 / /run rw,nosuid shared:4 - tmpfs tmpfs rw,size=92000k\n"                                  \
    "40 21 979:1 / /boot/firmware rw,relatime shared:9 - vfat /dev/mmcblk0p1 rw,errors=remount-ro\n"

const struct board pi3_sd = {
    .disk = { SD_CARD("") },
    .mountinfo = PI_MOUNTS,
    .swaps = SWAPS_HEAD "/var/swap                               file\t\t102396\t\t12288\t\t-2\n",
    .more = "sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes=1048576;sys/fs/ext4/mmcblk0p2/errors_count=0",
};

const struct board pi4_sd = {
    .disk = { SD_CARD("diskseq=1;") },
    .mountinfo = PI_MOUNTS,
    .more = "sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes=2097152;sys/fs/ext4/mmcblk0p2/errors_count=0",
};

const struct board pi5_sd_nvme = {
    .disk = { SD_CARD("diskseq=1;"), NVME(1059) },
    .mountinfo = PI_MOUNTS "50 21 1059:1 / /srv rw,relatime shared:20 - f2fs /dev/nvme0n1p1 rw,lazytime\n",
    .swaps = SWAPS_HEAD "/dev/nvme0n1p2                          partition\t2097148\t\t0\t\t-2\n",
    .more = "sys/fs/f2fs/nvme0n1p1/lifetime_write_kbytes=4096",
};

const struct board cm4_emmc = {
    .disk = { EMMC("0x01 0x02", "0x01"), EMMC_BOOT },
    .mountinfo = PI_MOUNTS,
};

const struct board cm5_emmc_worn = {
    .disk = { EMMC("0x03 0x0A", "0x02"), EMMC_BOOT },
    .mountinfo = PI_MOUNTS,
};

/* The first claims to turn, as bridges do that do not know; the second says what it is. */
const struct board pi4_usb_ssds = {
    .disk = {
        { "sda", "platform/scb/fd500000.pcie/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0", 808, 0, 1,
          "removable=0;queue/rotational=1;" STAT_OF("5", "16", "0")
          "diskseq=3;size=1953525168;device/vendor=JMicron ;device/model=Generic         " },
        { "sdb", "platform/scb/fd500000.pcie/usb2/2-2/2-2:1.0/host1/target1:0:0/1:0:0:0", 808, 16, 1,
          FIXED STAT_OF("5", "16", "0")
          "diskseq=4;size=976773168;device/vendor=Samsung ;device/model=PSSD T7         " },
        { "sdc", "platform/scb/fd500000.pcie/usb2/2-3/2-3:1.0/host2/target2:0:0/2:0:0:0", 808, 32, 0,
          "removable=1;queue/rotational=1;diskseq=5;size=0;device/vendor=Generic;device/model=SD/MMC" } },
    .mountinfo = "21 1 808:17 / / rw,relatime - ext4 /dev/sdb1 rw\n"
                 "22 21 808:1 / /data rw,relatime - ext4 /dev/sda1 rw,sync\n",
};

const struct board pc_sata_nvme = {
    .disk = {
        { "sda", "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0", 808, 0, 1,
          FIXED STAT_OF("5", "16", "0")
          "diskseq=1;size=976773168;device/vendor=ATA     ;device/model=Samsung SSD 870 " },
        { "sdb", "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0", 808, 16, 1,
          "removable=0;queue/rotational=1;" STAT_OF("5", "16", "0")
          "diskseq=2;size=7814037168;device/vendor=ATA     ;device/model=ST4000VN008-2DR1" },
        NVME(1059),
        { "sr0", "pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0", 811, 0, 0, "size=2097151" },
        { "nbd0", "virtual", 843, 0, 0, "size=0" } },
    .mountinfo = "21 1 0:30 /@ / rw,relatime - btrfs /dev/nvme0n1p1 rw,subvol=/@\n"
                 "22 21 0:30 /@home /home rw,relatime - btrfs /dev/nvme0n1p1 rw,subvol=/@home\n"
                 "23 21 808:17 / /tank rw,strictatime - ext4 /dev/sdb1 rw\n"
                 "24 21 808:1 / /scratch rw,relatime - xfs /dev/sda1 rw\n"
                 "25 21 0:44 / /nas rw - nfs4 nas:/x rw\n",
};

const struct board pi4_overlay_on_ram = {
    .disk = { SD_CARD("diskseq=1;") },
    .mountinfo = "30 1 979:2 / /lower ro,relatime - ext4 /dev/mmcblk0p2 ro\n"
                 "31 1 0:40 / @R/rw rw,relatime - tmpfs tmpfs-root rw\n"
                 "32 1 0:50 / / rw,relatime - overlay overlay "
                 "rw,lowerdir=/lower,upperdir=@R/rw/upper,workdir=@R/rw/work\n",
    .more = "rw/upper/x=",
};

const struct board pi4_overlay_on_card = {
    .disk = { SD_CARD("diskseq=1;") },
    .mountinfo = "32 1 0:50 / / rw,relatime - overlay overlay "
                 "rw,lowerdir=/lower,upperdir=@R/rw/upper,workdir=@R/rw/work\n"
                 "30 1 979:1 / /lower ro,relatime - ext4 /dev/mmcblk0p1 ro\n"
                 "31 1 979:2 / @R/rw rw,relatime - f2fs /dev/mmcblk0p2 rw\n",
    .more = "rw/upper/x=",
};

/* dm-0 lies on both disks; the flash of the two is told. */
const struct board pc_lvm = {
    .disk = {
        { "sda", "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0", 808, 0, 1,
          FIXED STAT_OF("5", "16", "0") "diskseq=1;size=976773168;device/model=Samsung SSD 870 " },
        { "dm-0", "virtual", 1053, 0, 0, FIXED "size=4096;slaves/sda1/dev=808:1" } },
    .mountinfo = "21 1 1053:0 / / rw,relatime - ext4 /dev/mapper/vg-root rw\n",
    .swaps = SWAPS_HEAD "/dev/dm-0                               partition\t1048572\t\t512\t\t-2\n",
    .more = "sys/fs/ext4/dm-0/lifetime_write_kbytes=3;sys/fs/ext4/dm-0/errors_count=0",
};

const struct board pi5_zram = {
    .disk = { SD_CARD("diskseq=1;"), ZRAM("none") },
    .mountinfo = PI_MOUNTS,
    .swaps = SWAPS_HEAD "/dev/zram0                              partition\t2097148\t\t0\t\t100\n",
};

const struct board pi5_zram_file = {
    .disk = { SD_CARD("diskseq=1;"), ZRAM("/dev/loop0"),
              { "loop0", "virtual", 907, 0, 0,
                FIXED STAT_OF("7", "56", "0") "size=4194304;loop/backing_file=/var/swap of the board" } },
    .mountinfo = PI_MOUNTS,
    .swaps = SWAPS_HEAD "/dev/zram0                              partition\t2097148\t\t0\t\t100\n",
};
/* clang-format on */
