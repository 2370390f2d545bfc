/** Names of the errors that a Linux tells of files, by its numbers: those of this host may be others. */
const names: Readonly<Record<number, string>> = {
  ...{ 1: 'EPERM', 2: 'ENOENT', 5: 'EIO', 11: 'EAGAIN', 12: 'ENOMEM', 13: 'EACCES', 16: 'EBUSY' },
  ...{ 17: 'EEXIST', 18: 'EXDEV', 20: 'ENOTDIR', 21: 'EISDIR', 22: 'EINVAL', 23: 'ENFILE', 24: 'EMFILE' },
  ...{ 26: 'ETXTBSY', 27: 'EFBIG', 28: 'ENOSPC', 30: 'EROFS', 31: 'EMLINK', 36: 'ENAMETOOLONG' },
  ...{ 38: 'ENOSYS', 39: 'ENOTEMPTY', 40: 'ELOOP', 75: 'EOVERFLOW', 95: 'EOPNOTSUPP', 116: 'ESTALE' },
  ...{ 122: 'EDQUOT', 125: 'ECANCELED' },
};

/** What an error of Linux is called. */
export const linuxError = (errno: number): string => names[errno] ?? `errno ${String(errno)}`;
