// In the making, by the drivers' helper (02:51): driverContract, src/testing.ts, their tests, tests of memory and process, both READMEs.
export {};
