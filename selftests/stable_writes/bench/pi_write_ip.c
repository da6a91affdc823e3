// SPDX-License-Identifier: GPL-2.0
/*
 * The same with a checksum that is made as fast everywhere. How long a CRC
 * takes depends on the processor, and a disk of scsi_debug makes it once more.
 */
#include "pi_write.h"

int main(void)
{
	return pi_write("guard=1");
}
