/** The other side of a {@link SendWindow}: lets so many bytes come as have room, and more as they are taken. */
export class ReceiveWindow {
  private taken = 0;
  private open: number;

  constructor(
    /** How many bytes there is room for. The sender knows of them. */
    private readonly room: number,
    /** Tells the sender that so many more may come. */
    private readonly grant: (bytes: number) => void,
  ) {
    this.open = room;
  }

  /** So many have come. Tells whether they might: a sender may go beyond what is left by one message. */
  receive(bytes: number): boolean {
    const might = this.open > 0;
    this.open -= bytes;
    return might;
  }

  /** So many have been taken from where they waited. The sender is told now and then. */
  take(bytes: number): void {
    this.taken += bytes;
    if (this.taken < this.room / 2) return;
    this.open += this.taken;
    this.grant(this.taken);
    this.taken = 0;
  }
}
