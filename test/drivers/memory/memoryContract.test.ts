import { driverContract } from 'rx-instances/testing';
import { keepingSubject, memorySubject } from './memorySubject.js';

driverContract({ describe, it }, memorySubject);

describe('which keeps memory:', () => {
  driverContract({ describe, it }, keepingSubject);
});
