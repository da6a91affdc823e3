// SPDX-License-Identifier: GPL-2.0
/*
 * stress on an NVMe namespace with protection information: another verifier,
 * which gets the data long after its checksum was made.
 */
#define DISK()	nvme_disk()
#include "stress.c"
