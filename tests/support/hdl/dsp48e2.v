// The function of a DSP48E2 slice, as far as the array uses it: our own reading of the vendor's
// user guide (UG579, UltraScale Architecture DSP Slice), not the vendor's model, for which there
// is no open one. Chapter and table of each part are named beside it.
//
// Everything outside the modes below gives a constant that no sum of products equals for long, so
// that a proof against this model fails when an instance leaves them.
module DSP48E2 #(
    parameter AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, DREG = 1, ADREG = 1, MREG = 1,
    parameter PREG = 1, CREG = 1, OPMODEREG = 1, ALUMODEREG = 1, INMODEREG = 1, CARRYINREG = 1,
    parameter CARRYINSELREG = 1,
    parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48",
    parameter AMULTSEL = "A", BMULTSEL = "B", PREADDINSEL = "A"
) (
    input CLK,
    input signed [29:0] A, ACIN,
    input signed [17:0] B, BCIN,
    input signed [26:0] D,
    input [47:0] C, PCIN,
    input [3:0] ALUMODE,
    input [8:0] OPMODE,
    input [4:0] INMODE,
    input [2:0] CARRYINSEL,
    input CARRYIN, CARRYCASCIN, MULTSIGNIN,
    input CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP, CECTRL, CEALUMODE, CEINMODE, CECARRYIN,
    input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTINMODE, RSTALLCARRYIN,
    output [47:0] P, PCOUT
);
    // One register of A and D, two of B, all others of the multiplier's path; controls come
    // straight from the ports (attributes, chapter 3).
    wire registers = AREG == 1 && BREG == 2 && DREG == 1 && ADREG == 1 && MREG == 1 && PREG == 1
        && OPMODEREG == 0 && ALUMODEREG == 0 && INMODEREG == 0 && CARRYINREG == 0
        && CARRYINSELREG == 0;
    wire attributes = USE_MULT == "MULTIPLY" && USE_SIMD == "ONE48" && AMULTSEL == "AD"
        && BMULTSEL == "B" && PREADDINSEL == "A";
    // ALUMODE 0: Z + W + X + Y + carry (chapter 2, ALU); carry from CARRYIN.
    wire alu = ALUMODE == 4'b0000 && CARRYINSEL == 3'b000;
    // OPMODE: W = 0, X and Y = M; Z = 0 or PCIN (chapter 2, multiplexers).
    wire multiplexers = OPMODE[8:7] == 2'b00 && OPMODE[3:0] == 4'b0101
        && (OPMODE[6:4] == 3'b000 || OPMODE[6:4] == 3'b001);
    wire supported = registers && attributes && alu && multiplexers;

    reg signed [26:0] a2 = 0, d1 = 0, ad = 0;
    reg signed [17:0] b1 = 0, b2 = 0;
    reg signed [44:0] product = 0;
    reg signed [47:0] sum = 0;

    // INMODE (chapter 2, pre-adder): bit 0 takes the first register of A, which does not exist
    // here; bit 1 gates A; bit 2 lets D through; bit 3 subtracts; bit 4 takes the first of B.
    wire signed [26:0] gated_a = INMODE[1] ? 27'd0 : a2;
    wire signed [26:0] gated_d = INMODE[2] ? d1 : 27'd0;
    wire signed [26:0] pre_sum = INMODE[3] ? gated_d - gated_a : gated_d + gated_a;
    wire signed [17:0] narrow = INMODE[4] ? b1 : b2;
    wire signed [47:0] z = OPMODE[4] ? PCIN : 48'd0;

    // Resets win over enables; RSTD clears D and the pre-adder's register.
    always @(posedge CLK) begin
        if (RSTA) a2 <= 0; else if (CEA2) a2 <= A[26:0];
        if (RSTB) b1 <= 0; else if (CEB1) b1 <= B;
        if (RSTB) b2 <= 0; else if (CEB2) b2 <= b1;
        if (RSTD) d1 <= 0; else if (CED) d1 <= D;
        if (RSTD) ad <= 0; else if (CEAD) ad <= pre_sum;
        if (RSTM) product <= 0; else if (CEM) product <= ad * narrow;
        if (RSTP) sum <= 0; else if (CEP) sum <= z + product + $signed({1'b0, CARRYIN});
    end

    assign P = supported && !INMODE[0] ? sum : 48'h5a5a_5a5a_5a5a;
    assign PCOUT = P;
endmodule
