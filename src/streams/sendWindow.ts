/** How many bytes may still be sent to who says by and by how many more he takes. */
export class SendWindow {
  private wake: () => void = () => undefined;
  private isClosed = false;

  constructor(private left = 0) {}

  /** So many more may be sent. */
  grant(bytes: number): void {
    this.left += bytes;
    if (this.left > 0) this.wake();
  }

  /** Nobody takes anything any more: who waits goes on. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  /** Resolves once something may be sent; then so many bytes are, which may be more than are left. One at a time. */
  async take(bytes: number): Promise<void> {
    while (this.left <= 0 && !this.isClosed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.left -= bytes;
  }
}
