import { driverContract } from 'rx-instances/testing';
import { memorySubject } from './memorySubject.js';

driverContract({ describe, it }, memorySubject);
