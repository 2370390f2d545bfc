// Virtual machines.
export { createQemuDriver, type QemuDriverOptions } from './drivers/qemu/qemuDriver.js';
export { hostPortOf } from './drivers/qemu/hostPortOf.js';
